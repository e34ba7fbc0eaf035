import type { Config } from '../../config/config.ts'
import type { Cell } from '../../domain/counts.ts'
import type { EnvironmentName, ServiceName, Shares } from '../../domain/names.ts'
import type { Revision } from '../../domain/revision.ts'
import { emptySlot, isReady, type RouteFacts, type SlotFacts, type Snapshot } from '../../domain/snapshot.ts'
import { OperatingError } from '../../errors/catalogue.ts'
import type {
  CellCursor,
  Checks,
  Observer,
  Platform,
  SlotTarget,
  SmokeRequest,
  SmokeResult,
  Traffic,
  Workloads,
} from '../ports/platform.ts'
import { smokeResult } from '../ports/smoke.ts'
import { directoryOf, prepareArtifact, pruneArtifacts } from './artifacts.ts'
import { directRequest } from './direct-request.ts'
import type { StatePaths } from './paths.ts'
import {
  type ApplyRequest,
  type EpochStamp,
  type FloorRequest,
  type FrontCells,
  type FrontShares,
  type FrontStatus,
  type RetireRequest,
  type RollRequest,
  type RunSpec,
  SLOT_HEADER,
  type SupervisorSnapshot,
} from './protocol.ts'
import { type SocketClient, socketClient } from './socket-client.ts'

const SLOTS = ['blue', 'green']
const OBSERVE_MS = 3000
const SMOKE_MS = 10_000

export interface LocalPlatformOptions {
  readonly paths: StatePaths
  readonly environment: EnvironmentName
  readonly config: Config
}

/** This machine as a platform: what the ports ask for is asked of the supervisor and of the environment's front. */
export function localPlatform({ paths, environment, config }: LocalPlatformOptions): Platform & { close(): void } {
  const supervisor = socketClient(paths.supervisorSocket)
  const front = socketClient(paths.frontSocket(environment))
  const observe = () => supervisor.request<SupervisorSnapshot>('GET', '/snapshot', undefined, { timeoutMs: OBSERVE_MS })
  return {
    name: 'local',
    workloads: localWorkloads(supervisor, observe, paths, environment, config),
    traffic: localTraffic(front, environment),
    observer: localObserver(front, observe, environment),
    checks: localChecks(observe, environment, config),
    close() {
      supervisor.close()
      front.close()
    },
  }
}

function localWorkloads(
  supervisor: SocketClient,
  observe: () => Promise<SupervisorSnapshot>,
  paths: StatePaths,
  environment: EnvironmentName,
  config: Config,
): Workloads {
  const write = ({ service, slot }: SlotTarget, epoch: number) => ({ environment, service, slot, epoch })
  return {
    capabilities: { slots: SLOTS },

    async prepare(revision, signal) {
      await prepareArtifact(paths, revision, signal)
      // Old artifacts only cost space: that they cannot be removed now is no reason to fail.
      await observe()
        .then(({ directories }) => directories && pruneArtifacts(paths, config.artifacts.keep, directories))
        .catch(() => {})
    },

    async applyRevision(target, epoch) {
      const run = runSpec(paths, target.revision)
      const request: ApplyRequest = { ...write(target, epoch), run, replicas: target.replicas }
      await supervisor.request('PUT', '/apply', request)
    },

    async rollInPlace(target, epoch) {
      const run = runSpec(paths, target.revision)
      const { minReadyMs, replicas } = target
      const request: RollRequest = { ...write(target, epoch), run, minReadyMs, replicas }
      await supervisor.request('PUT', '/roll', request)
    },

    async ensureFloor(target, epoch) {
      const request: FloorRequest = { ...write(target, epoch), replicas: target.replicas }
      await supervisor.request('PUT', '/floor', request)
    },

    async retire(target, epoch) {
      const request: RetireRequest = write(target, epoch)
      await supervisor.request('PUT', '/retire', request)
    },

    async takeEpoch(epoch) {
      await supervisor.request('PUT', '/epoch', { environment, epoch } satisfies EpochStamp)
    },
  }
}

function localTraffic(front: SocketClient, environment: EnvironmentName): Traffic {
  return {
    capabilities: { split: 'request', granularityPercent: 1, headerPin: SLOT_HEADER, proof: 'reported' },

    async setShares(change, epoch) {
      const request: FrontShares = { ...change, epoch }
      const { shares } = await front.request<{ shares: Shares }>('PUT', '/shares', request)
      return shares
    },

    async takeEpoch(epoch) {
      await front.request('PUT', '/epoch', { environment, epoch } satisfies EpochStamp)
    },
  }
}

function localObserver(
  front: SocketClient,
  observe: () => Promise<SupervisorSnapshot>,
  environment: EnvironmentName,
): Observer {
  return {
    async snapshot() {
      const started = performance.now()
      const [workloads, traffic] = await Promise.allSettled([
        observe().then((snapshot) => environmentIn(snapshot, environment)),
        front.request<FrontStatus>('GET', '/status', undefined, { timeoutMs: OBSERVE_MS }),
      ])
      const missing = [...missingOf('supervisor', workloads), ...missingOf('front', traffic)]
      return {
        observedAgoMs: Math.round(performance.now() - started),
        complete: missing.length === 0,
        missing,
        services: mergeServices(answerOf(workloads)?.services ?? {}, answerOf(traffic)?.services ?? {}),
      }
    },

    async cells(service, after) {
      const ask = (second: number) =>
        front.request<FrontCells>('GET', `/cells?service=${encodeURIComponent(service)}&after=${second}`)
      return nextCells(after, ask)
    },
  }
}

/** A front that has been started anew counts its seconds anew: then the cursor means nothing to it. */
export async function nextCells(
  after: CellCursor | null,
  ask: (second: number) => Promise<FrontCells>,
): Promise<{ cells: readonly Cell[]; next: CellCursor }> {
  let answer = await ask(after?.second ?? FROM_THE_START)
  if (after && answer.source !== after.source) answer = await ask(FROM_THE_START)
  return { cells: answer.cells, next: { source: answer.source, second: answer.second } }
}

const FROM_THE_START = -1

function localChecks(observe: () => Promise<SupervisorSnapshot>, environment: EnvironmentName, config: Config): Checks {
  const checks: Checks = {
    async smoke({ service, slot, tests }, signal) {
      const known = environmentIn(await observe(), environment).services[service]?.slots[slot]
      const current = known?.replicas.filter(({ revision }) => revision === known.desiredRevision) ?? []
      const ready = current.filter(isReady)
      const results: SmokeResult[] = []
      for (const test of tests) {
        const seen: SmokeResult[] = []
        for (const { id } of ready) seen.push(await smokeOne(test, known!.addresses[id]!.port, signal))
        const nobody = { name: test.name, passed: false, saw: `no replica of ${slot} is ready` }
        results.push(seen.find(({ passed }) => !passed) ?? seen[0] ?? nobody)
      }
      return results
    },

    async probe(target, signal) {
      const direct = await checks.smoke(target, signal)
      const { port, encrypted = false } = environmentIn(await observe(), environment).front
      const route = config.services.find(({ name }) => name === target.service)
      const results = [...direct]
      for (const test of target.tests) {
        const path = route && publicPath(route, test.path)
        if (!path) continue
        const pinned = { ...test, path, headers: { ...test.headers, [SLOT_HEADER]: target.slot } }
        results.push(await smokeOne(pinned, port, signal, encrypted))
      }
      return results
    },
  }
  return checks
}

/** Where the front offers a path of a service; null where it does not. */
function publicPath({ path: prefix, stripPath }: { path: string; stripPath: boolean }, path: string): string | null {
  if (prefix === '/') return path
  if (stripPath) return `${prefix}${path}`
  return path === prefix || path.startsWith(`${prefix}/`) || path.startsWith(`${prefix}?`) ? path : null
}

/** Every ready replica is asked; the first that does not pass speaks for all. */
async function smokeOne(
  test: SmokeRequest,
  port: number,
  signal: AbortSignal,
  encrypted = false,
): Promise<SmokeResult> {
  const { name, method, path, headers, body } = test
  try {
    const answer = await directRequest({ port, encrypted, method, path, headers, body, timeoutMs: SMOKE_MS }, signal)
    return smokeResult(test, answer)
  } catch (error) {
    signal.throwIfAborted()
    return { name, passed: false, saw: (error as Error).message }
  }
}

function runSpec(paths: StatePaths, revision: Revision): RunSpec {
  const { start, env, envFile, probes, graceMs, drainMs, memoryLimitMb } = revision.workload
  return {
    revision: revision.id,
    version: revision.version,
    directory: directoryOf(paths, revision),
    start,
    env,
    envFile,
    probes,
    graceMs,
    drainMs,
    memoryLimitMb,
  }
}

type SupervisedEnvironment = SupervisorSnapshot['environments'][EnvironmentName]

function environmentIn({ environments }: SupervisorSnapshot, name: EnvironmentName): SupervisedEnvironment {
  const known = environments[name]
  if (known) return known
  throw new OperatingError('PLATFORM_DOWN', `The embedded platform does not run ${name}.`, 'Start it with: moodify up')
}

function mergeServices(
  workloads: SupervisedEnvironment['services'],
  traffic: FrontStatus['services'],
): Snapshot['services'] {
  const names = new Set([...Object.keys(workloads), ...Object.keys(traffic)])
  return Object.fromEntries(
    [...names].map((name) => [name, { slots: slotsOf(workloads[name]?.slots ?? {}), route: routeOf(traffic[name]) }]),
  )
}

function slotsOf(slots: SupervisedEnvironment['services'][ServiceName]['slots']): Record<string, SlotFacts> {
  const known = Object.entries(slots).map(([name, { addresses: _, ...facts }]) => [name, facts])
  return { ...Object.fromEntries(SLOTS.map((name) => [name, emptySlot])), ...Object.fromEntries(known) }
}

function routeOf(service: FrontStatus['services'][ServiceName] | undefined): RouteFacts {
  if (!service) return { generation: 0, shares: {}, slots: {} }
  const slots = Object.entries(service.slots).map(([name, { replicas: _, ...traffic }]) => [name, traffic])
  return { generation: service.generation, shares: service.shares, slots: Object.fromEntries(slots) }
}

function missingOf(part: string, result: PromiseSettledResult<unknown>): string[] {
  return result.status === 'rejected' ? [`the ${part} does not answer: ${(result.reason as Error).message}`] : []
}

function answerOf<T>(result: PromiseSettledResult<T>): T | null {
  return result.status === 'fulfilled' ? result.value : null
}
