import { createHash, createHmac, randomBytes } from 'node:crypto'
import { readFileSync, realpathSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import type { Config, ServiceConfig } from '../../../config/config.ts'
import type { ArtifactSource, Revision, WorkloadSpec } from '../../../domain/revision.ts'
import { OperatingError } from '../../../errors/catalogue.ts'
import { createDurably, readIfExists } from '../durable.ts'
import { type StatePaths, statePaths } from '../paths.ts'

/**
 * What exactly runs when this version of this service is released with this configuration. The id covers the
 * values of the environment file through a keyed hash, so that it tells nothing about them.
 *
 * @throws OperatingError CONFIG_INVALID when the environment file cannot be read
 */
export function makeRevision(
  config: Config,
  service: ServiceConfig,
  source: ArtifactSource,
  version: string,
  paths: StatePaths = statePaths(config.root),
): Revision {
  const envFile = service.envFile === null ? null : resolve(config.root, service.envFile)
  const workload: WorkloadSpec = {
    source,
    directory: directoryIn(source, config, service),
    build: service.build,
    start: service.start,
    env: service.env,
    envFile,
    probes: service.probes,
    graceMs: service.graceMs,
    drainMs: service.drainMs,
    memoryLimitMb: service.memoryLimitMb,
  }
  const secrets = envFile === null ? null : keyedHash(paths, readSecrets(envFile, service.name))
  const id = createHash('sha256')
    .update(canonicalJson({ service: service.name, workload, secrets }))
    .digest('hex')
  return { id: id.slice(0, 12), service: service.name, version, workload }
}

/** In git the artifact is the whole repository, and moodify.yaml may be in a folder of it. */
function directoryIn(source: ArtifactSource, config: Config, service: ServiceConfig): string {
  if (source.kind === 'directory') return service.directory
  return join(relative(realpathSync(source.repository), realpathSync(config.root)), service.directory)
}

/** JSON with the keys of every object in order, so that equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

function keyedHash(paths: StatePaths, content: Buffer): string {
  const file = join(paths.state, 'revision-key')
  createDurably(file, randomBytes(32).toString('hex'))
  return createHmac('sha256', readIfExists(file)!).update(content).digest('hex')
}

function readSecrets(file: string, service: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new OperatingError(
      'CONFIG_INVALID',
      `The environment file ${file} of ${service} cannot be read: ${(error as NodeJS.ErrnoException).code}.`,
      'Put it there, or remove envFile from moodify.yaml.',
    )
  }
}
