import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../../src/config/config.ts'
import type { Revision } from '../../src/domain/revision.ts'
import { fakeClock } from '../../src/effects/fakes/clock.ts'
import { fakePlatform } from '../../src/effects/fakes/platform.ts'
import { makeRevision, resolveVersion } from '../../src/effects/local/artifacts.ts'
import { localPlatform } from '../../src/effects/local/platform.ts'
import { ENVIRONMENT, get, probe, SERVICE, testPlatform, until } from '../supervisor/platform.ts'
import { describeChecks } from './checks.ts'
import { describeObserver } from './observer.ts'
import { type Behaviour, behaviours, type PlatformSubject } from './platform-subject.ts'
import { describeTraffic } from './traffic.ts'
import { describeWorkloads } from './workloads.ts'

const suites = [describeWorkloads, describeTraffic, describeObserver, describeChecks]

// Patient: no test here is about a service that stops answering, and a busy machine must not look like one.
const probes = { startup: probe('/live', 60, 100), ready: probe('/ready', 20, 30), live: probe('/live', 20, 50) }

// --- fake ------------------------------------------------------------------------------------------------------

const LONGEST_MS = 600_000

function fakeSubject(): PlatformSubject {
  const clock = fakeClock()
  const platform = fakePlatform({
    clock,
    behaviours: Object.fromEntries(behaviours.map((behaviour) => [behaviour, { [behaviour]: true }])),
  })
  return {
    platform,
    service: 'backend',
    async revision(version, behaviour = 'good') {
      return fakeRevision(version, behaviour)
    },
    async until(what, look) {
      for (let waitedMs = 0; waitedMs < LONGEST_MS; waitedMs += 50) {
        const seen = await look()
        if (seen) return seen
        clock.advance(50)
      }
      throw new Error(`not seen in time: ${what}`)
    },
    async serveUsers() {
      clock.advance(1000)
    },
    async blind() {
      platform.blind = true
    },
    async [Symbol.asyncDispose]() {},
  }
}

/** The fake knows a behaviour by the version's name. */
function fakeRevision(version: string, behaviour: Behaviour): Revision {
  const workload = {
    source: { kind: 'directory', path: `/releases/${version}`, digest: version },
    directory: '.',
    build: null,
    start: 'node service.mjs',
    env: {},
    envFile: null,
    probes,
    graceMs: 1000,
    drainMs: 1000,
    memoryLimitMb: null,
  } as const
  return { id: version, service: 'backend', version: behaviour === 'good' ? version : behaviour, workload }
}

for (const describeSuite of suites) describeSuite('fake', fakeSubject)

// --- embedded: a real supervisor, a real front, real services -----------------------------------------------------

const USERS = 20

async function embeddedSubject(): Promise<PlatformSubject> {
  const embedded = await testPlatform()
  try {
    await embedded.setEnvironments()
  } catch (error) {
    await embedded[Symbol.asyncDispose]()
    throw error
  }
  const config = {
    root: embedded.root,
    artifacts: { from: 'directory', pattern: 'releases/{version}', keep: 5 },
  } as Config
  const platform = localPlatform({ paths: embedded.paths, environment: ENVIRONMENT, config })
  return {
    platform,
    service: SERVICE,
    async revision(version, behaviour = 'good') {
      const folder = join(embedded.root, 'releases', version)
      mkdirSync(folder, { recursive: true })
      copyFileSync(join(import.meta.dirname, 'service.mjs'), join(folder, 'service.mjs'))
      writeFileSync(join(folder, 'version'), version)
      const { source } = await resolveVersion(config, version)
      const service = {
        name: SERVICE,
        directory: '.',
        build: behaviour === 'buildFails' ? 'exit 3' : 'echo built >built',
        start: `${process.execPath} service.mjs`,
        container: { image: 'backend', port: 8000, metricsPath: '/metrics' },
        replicas: 1,
        path: '/',
        stripPath: false,
        affinity: null,
        env: { MODE: behaviour },
        envFile: null,
        probes,
        graceMs: 2000,
        drainMs: 10_000,
        memoryLimitMb: null,
        smoke: [],
      }
      return makeRevision(config, service, source, version, embedded.paths)
    },
    until,
    async serveUsers() {
      const port = await embedded.frontPort()
      for (let sent = 0; sent < USERS; sent++) await get(port, '/')
    },
    async blind() {
      await embedded.killSupervisor()
    },
    async [Symbol.asyncDispose]() {
      platform.close()
      await embedded[Symbol.asyncDispose]()
    },
  }
}

for (const describeSuite of suites) describeSuite('embedded', embeddedSubject)
