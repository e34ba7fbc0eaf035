// The front's side of protocol.ts: what it is told and what it tells.
import type { Shares } from '../../../domain/names.ts'
import { OperatingError } from '../../../errors/catalogue.ts'
import { type FrontCells, type FrontShares, type FrontStatus, PROTOCOL_VERSION } from '../protocol.ts'
import { checkedBody, plainText, type Routes } from '../socket-server.ts'
import { metricsText } from './metrics.ts'
import type { Predecessor } from './predecessor.ts'
import type { Service } from './rotation.ts'
import { endpointsSchema, epochSchema, sharesSchema, stopSchema, supervisorSchema, tableSchema } from './schemas.ts'
import { lastCompleteSecond, type Serving, servicesStatus, stateOf, totalsOf } from './serving.ts'
import type { StateFile } from './state-file.ts'
import type { SupervisorWatch } from './supervisor-watch.ts'
import type { Workers } from './workers.ts'

export interface Controlled extends Serving {
  readonly environment: string
  readonly version: string
  readonly build: string
  readonly source: string
  /** Of the cells; goes on over a handover. */
  readonly countsSource: string
  readonly listening: FrontStatus['listening']
  /** With what it was started, in a form that is compared. */
  readonly options: string
  /** From which this front has taken over, until it has ended. */
  predecessor: Predecessor | null
  /** Processes that share the listening socket; null where there is none but this one. */
  workers: Workers | null
  readonly watch: SupervisorWatch
  /** Highest epoch seen. */
  epoch: number
  readonly file: StateFile
  readonly stop: (deadlineMs?: number) => void
}

export function controlRoutes(front: Controlled): Routes {
  const { core, file } = front
  const { rotation } = core

  /** Once this has returned, no request is assigned by what was before, here or in any process that serves too. */
  const followed = () => {
    const state = stateOf(front)
    return Promise.all([file.save(), ...front.peers().map((peer) => peer.tell(state))])
  }

  return {
    'PUT /table': async (body) => {
      rotation.setTable(checkedBody(tableSchema, body))
      await followed()
    },

    'PUT /endpoints': async (body) => {
      const { service, slot, endpoints } = checkedBody(endpointsSchema, body)
      rotation.setEndpoints(serviceNamed(front, service), slot, endpoints)
      core.upstreams.closeIdle()
      await followed()
    },

    'PUT /shares': async (body) => {
      const change = checkedBody(sharesSchema, body)
      const service = serviceNamed(front, change.service)
      takeEpoch(front, change.epoch)
      if (!isRepeat(service, change)) rotation.setShares(service, change.shares, change.generation)
      await followed()
      return { generation: service.generation, shares: service.shares }
    },

    'PUT /epoch': async (body) => {
      const { environment, epoch } = checkedBody(epochSchema, body)
      if (environment !== front.environment) {
        throw new OperatingError('BAD_FLAG', `This is the front of ${front.environment}, not of ${environment}.`)
      }
      takeEpoch(front, epoch)
      await file.save()
      // Unlike shares, an epoch that may be forgotten is worth nothing.
      if (file.problem !== null)
        throw new OperatingError('PLATFORM_FAILED', `The epoch cannot be saved: ${file.problem}.`)
    },

    'GET /status': () => statusOf(front),

    'GET /cells': (_body, query) => cellsOf(front, query),

    'GET /metrics': () => plainText(metricsText(totalsOf(front), core.rotation)),

    'PUT /supervisor': (body) => front.watch.tell(checkedBody(supervisorSchema, body)),

    'POST /stop': (body) => front.stop(checkedBody(stopSchema, body)?.deadlineMs),
  }
}

function serviceNamed({ core, environment }: Controlled, name: string): Service {
  const service = core.rotation.services.get(name)
  if (service?.route) return service
  throw new OperatingError('BAD_FLAG', `The front of ${environment} has no service ${name}.`)
}

function takeEpoch(front: Controlled, epoch: number): void {
  if (epoch < front.epoch) {
    throw new OperatingError(
      'STALE_EPOCH',
      `Epoch ${epoch} is over; the front of ${front.environment} is at ${front.epoch}.`,
    )
  }
  front.epoch = epoch
}

function isRepeat({ name, generation, shares }: Service, change: FrontShares): boolean {
  if (change.generation > generation) return false
  if (change.generation === generation && isSame(shares, change.shares)) return true
  throw new OperatingError(
    'STALE_GENERATION',
    `Generation ${change.generation} of the shares of ${name} is over; the front is at ${generation}.`,
  )
}

/** A slot that is not named has no share. */
function isSame(a: Shares, b: Shares): boolean {
  return [...Object.keys(a), ...Object.keys(b)].every((slot) => (a[slot] ?? 0) === (b[slot] ?? 0))
}

function statusOf(front: Controlled): FrontStatus {
  const { core, version, build, options, source, listening, epoch, file, predecessor, workers } = front
  return {
    protocol: PROTOCOL_VERSION,
    version,
    build,
    pid: process.pid,
    options,
    source,
    draining: predecessor?.report.draining ?? [],
    workers: workers?.pids ?? [],
    listening,
    epoch,
    services: servicesStatus(front),
    unsaved: file.problem,
    streamsCut: core.events.streamsCut + front.peers().reduce((sum, { report }) => sum + report.streamsCut, 0),
  }
}

function cellsOf(front: Controlled, query: URLSearchParams): FrontCells {
  const { countsSource } = front
  const service = serviceNamed(front, query.get('service') ?? '')
  const after = Number(query.get('after') ?? -1)
  if (!Number.isInteger(after)) throw new OperatingError('BAD_FLAG', 'after is not a number of seconds.')
  const second = Math.max(after, lastCompleteSecond(front))
  return { source: countsSource, second, cells: service.cells.between(after, second) }
}
