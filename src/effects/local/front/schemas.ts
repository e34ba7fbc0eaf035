// Shapes of what comes in over the control socket and from the state file. Fields that are not known are ignored.
import * as z from 'zod'

const count = z.int().min(0)
const name = z.string().min(1)

export const tableSchema = z.object({
  services: z
    .array(
      z.object({
        name,
        path: z.string().regex(/^\/[^?#]*$/, 'is not a path'),
        stripPath: z.boolean(),
        drainMs: z.number().min(0),
        affinity: z
          .object({
            cookie: z.string().regex(/^[\w.-]+$/, 'is not a name'),
            maxAgeSeconds: z.number().min(1).nullable(),
          })
          .nullish(),
      }),
    )
    .refine((services) => isUnique(services.map((service) => service.name)), 'two services have the same name')
    .refine((services) => isUnique(services.map((service) => service.path)), 'two services have the same path'),
})

const endpoints = z
  .array(z.object({ replica: name, revision: name, port: z.int().min(1).max(65_535) }))
  .refine((list) => isUnique(list.map(({ replica }) => replica)), 'two endpoints have the same replica')

export const endpointsSchema = z.object({ service: name, slot: name, endpoints })

const shares = z
  .record(name, z.number().min(0).max(100))
  .refine(
    (record) => [0, 100].some((sum) => Math.abs(sumOf(record) - sum) < 1e-6),
    'the shares add up to neither 100 nor 0',
  )

export const sharesSchema = z.object({ service: name, shares, generation: count, epoch: count })

export const epochSchema = z.object({ environment: name, epoch: count })

export const stopSchema = z.object({ deadlineMs: z.number().min(0).optional() }).optional()

const command = z.array(z.string()).min(1)

export const handoverSchema = z.object({
  build: name,
  folder: name,
  log: name,
  directory: name,
  command,
  deadlineMs: z.number().min(0).optional(),
  options: z.string().optional(),
})

export const supervisorSchema = z.object({
  socket: name,
  identityFile: name,
  command,
  directory: name,
  log: name,
  everyMs: z.number().min(10),
  hungMs: z.number().min(10).optional(),
})

export const stateSchema = z.object({
  environment: name,
  epoch: count,
  port: z.int().min(0).max(65_535),
  table: tableSchema,
  services: z.array(z.object({ name, generation: count, shares, slots: z.record(name, endpoints) })),
})
export type SavedState = z.infer<typeof stateSchema>

function isUnique(values: readonly string[]): boolean {
  return new Set(values).size === values.length
}

function sumOf(record: Record<string, number>): number {
  return Object.values(record).reduce((sum, share) => sum + share, 0)
}
