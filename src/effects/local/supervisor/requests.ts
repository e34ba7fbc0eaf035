import * as z from 'zod'
import { checkedBody } from '../socket-server.ts'

// Bodies of the supervisor's requests. Names become parts of paths, so they are checked here once more.

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/)
const count = z.number().int().nonnegative()
const port = z.number().int().min(0).max(65_535)
const probe = z.object({
  path: z.string(),
  periodMs: z.number().positive(),
  timeoutMs: z.number().positive(),
  failureThreshold: z.number().int().positive(),
  successThreshold: z.number().int().positive(),
})
const run = z.object({
  revision: name,
  version: z.string(),
  directory: z.string(),
  start: z.string(),
  env: z.record(z.string(), z.string()),
  envFile: z.string().nullable(),
  probes: z.object({ startup: probe, ready: probe, live: probe }),
  graceMs: count,
  drainMs: count,
  memoryLimitMb: z.number().positive().nullable(),
})
const table = z.object({
  services: z.array(
    z.object({
      name,
      path: z.string(),
      stripPath: z.boolean(),
      drainMs: count,
      affinity: z.object({ cookie: z.string(), maxAgeSeconds: z.number().positive().nullable() }).nullish(),
    }),
  ),
})
const front = z.object({
  processes: z.number().int().min(1),
  tls: z.object({ cert: z.string(), key: z.string() }).nullable(),
})
const slotWrite = z.object({ environment: name, service: name, slot: name, epoch: count })

const schemas = {
  environments: z.object({
    environments: z.array(z.object({ name, host: z.string(), port, table, front: front.optional() })),
    metricsPort: port.nullish(),
  }),
  apply: slotWrite.extend({ run, replicas: count }),
  roll: slotWrite.extend({ run, minReadyMs: count, replicas: count.optional() }),
  floor: slotWrite.extend({ replicas: count }),
  retire: slotWrite,
  epoch: z.object({ environment: name, epoch: count }),
  runner: z.object({ environment: name, replace: z.boolean().default(false) }),
}

/** @throws OperatingError BAD_FLAG when the body is not one of this request */
export function bodyOf<Name extends keyof typeof schemas>(
  request: Name,
  body: unknown,
): z.infer<(typeof schemas)[Name]> {
  return checkedBody(schemas[request], body) as z.infer<(typeof schemas)[Name]>
}
