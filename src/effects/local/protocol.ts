// What the three processes of the embedded platform say to each other, as JSON over HTTP on Unix sockets with
// owner-only permissions. Version N talks to N−1: fields are only ever added, unknown ones are ignored.
//
//   runner ──▶ supervisor   workloads: apply, roll, floor, retire, snapshot
//   runner ──▶ front        shares, status, cells
//   supervisor ──▶ front    table of services, endpoints of each slot
import type { Cell } from '../../domain/counts.ts'
import type { EnvironmentName, ServiceName, Shares, SlotName } from '../../domain/names.ts'
import type { Probes } from '../../domain/revision.ts'
import type { SlotFacts, SlotTraffic } from '../../domain/snapshot.ts'

export const PROTOCOL_VERSION = 1

/** Header with which a client pins a request to a slot. */
export const SLOT_HEADER = 'x-moodify-slot'

/** An answer that is not 2xx has this body. `code` is one of the errors catalogue. */
export interface ProtocolError {
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string }
}

// --- front: one process per environment -----------------------------------------------------------------

/** `PUT /table`: the whole desired table, sent by the supervisor. */
export interface FrontTable {
  readonly services: readonly {
    readonly name: ServiceName
    /** Path prefix; the longest that matches wins. */
    readonly path: string
    readonly stripPath: boolean
    /** After a replica or slot has left the rotation: streams and WebSockets are cut (1001) this much later. */
    readonly drainMs: number
    /** Users stay with a version and a replica by this cookie; null and left out: each request is assigned anew. */
    readonly affinity?: { readonly cookie: string; readonly maxAgeSeconds: number | null } | null
  }[]
}

/** `PUT /endpoints`: the whole desired list of one slot. Those left out get nothing new from now on. */
export interface FrontEndpoints {
  readonly service: ServiceName
  readonly slot: SlotName
  readonly endpoints: readonly Endpoint[]
}

export interface Endpoint {
  readonly replica: string
  readonly revision: string
  readonly port: number
}

/** `PUT /shares`. Refused with STALE_EPOCH or STALE_GENERATION; the same generation again is a repeat. */
export interface FrontShares {
  readonly service: ServiceName
  readonly shares: Shares
  readonly generation: number
  readonly epoch: number
}

/** `PUT /epoch` */
export interface EpochStamp {
  readonly environment: EnvironmentName
  readonly epoch: number
}

/** `GET /status` */
export interface FrontStatus {
  readonly protocol: number
  readonly version: string
  /** Version and hash of the program. */
  readonly build?: string
  readonly pid: number
  /** With what it was started, in a form that is only compared. */
  readonly options?: string
  /** Changes when the process does. */
  readonly source: string
  /** Ids of fronts that this one has taken over from and that still answer what is in flight, which counts here. */
  readonly draining?: readonly number[]
  /** Ids of the processes that share its listening socket. */
  readonly workers?: readonly number[]
  readonly listening: { readonly host: string; readonly port: number; readonly encrypted?: boolean }
  readonly epoch: number
  /** Why the newest state is not on disk yet, and would be lost in a restart; null when it is. */
  readonly unsaved?: string | null
  /** Streams and WebSockets cut at the drain time since the process started. */
  readonly streamsCut?: number
  readonly services: Readonly<
    Record<
      ServiceName,
      {
        readonly generation: number
        readonly shares: Shares
        readonly slots: Readonly<Record<SlotName, SlotTraffic & { readonly replicas: readonly FrontReplica[] }>>
      }
    >
  >
}

export interface FrontReplica {
  readonly replica: string
  readonly revision: string
  readonly inFlight: number
  /** Time since it left the endpoints, or since its slot lost its share; null while it may get requests. */
  readonly outOfRotationMs: number | null
}

/** `GET /cells?service=NAME&after=SECOND`: cells of whole seconds later than `after`, oldest first, the last ten minutes at most. */
export interface FrontCells {
  /** Changes when the seconds are counted anew; stays the same over a handover. */
  readonly source: string
  /** Last whole second that is complete; the next call's `after`. */
  readonly second: number
  readonly cells: readonly Cell[]
}

// `GET /metrics`: Prometheus text. `POST /stop`: stop listening, answer what is in flight, end.

/**
 * `POST /handover`: start a front of another build and give it the listening socket. Answered when the new one has
 * taken over, at once by one that is of this build; an error means that the front that was asked goes on serving.
 */
export interface FrontHandover {
  /** Of the new front. */
  readonly build: string
  /** How it is started; processes/detached.ts. */
  readonly folder: string
  readonly log: string
  readonly directory: string
  readonly command: readonly string[]
  /** How long the old front may go on with what is in flight; default: until nothing can be any more. */
  readonly deadlineMs?: number
  /** Of the new front; the build may be the same then. */
  readonly options?: string
}

/** `PUT /supervisor`: how the front starts the supervisor again when it was killed. */
export interface FrontSupervisor {
  readonly socket: string
  /** Holds the identity of a supervisor that runs or was killed; one that was ended on purpose removes it. */
  readonly identityFile: string
  readonly command: readonly string[]
  readonly directory: string
  readonly log: string
  /** How often it is looked for. */
  readonly everyMs: number
  /** One that has not answered for this long is killed first. */
  readonly hungMs?: number
}

// What two fronts say to each other during a handover and until the old one has ended is in front/succession.ts.

// --- supervisor: one process per directory ---------------------------------------------------------------

/** `PUT /environments`: all environments of this directory; sent by `moodify up` and when the configuration changed. */
export interface SupervisorEnvironments {
  readonly environments: readonly {
    readonly name: EnvironmentName
    readonly host: string
    readonly port: number
    readonly table: FrontTable
    readonly front?: FrontSettings
  }[]
  /** Port of 127.0.0.1 with `/metrics`; null and left out is none. */
  readonly metricsPort?: number | null
}

/** What a front is started with. Another one with the new settings takes over from it when they change. */
export interface FrontSettings {
  /** How many share the listening socket. */
  readonly processes: number
  /** Absolute paths; null is plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | null
}

/** What the supervisor must know to run replicas of a revision. The environment file is read once, on the first apply. */
export interface RunSpec {
  readonly revision: string
  readonly version: string
  /** Absolute folder to run in. */
  readonly directory: string
  readonly start: string
  readonly env: Readonly<Record<string, string>>
  readonly envFile: string | null
  readonly probes: Probes
  readonly graceMs: number
  readonly drainMs: number
  readonly memoryLimitMb: number | null
}

interface SlotWrite {
  readonly environment: EnvironmentName
  readonly service: ServiceName
  readonly slot: SlotName
  readonly epoch: number
}

/** `PUT /apply` */
export type ApplyRequest = SlotWrite & { readonly run: RunSpec; readonly replicas: number }
/** `PUT /roll`: one new replica more than desired at a time, none fewer. Without `replicas` as many as the slot has now. */
export type RollRequest = SlotWrite & {
  readonly run: RunSpec
  readonly minReadyMs: number
  readonly replicas?: number
}
/** `PUT /floor` */
export type FloorRequest = SlotWrite & { readonly replicas: number }
/** `PUT /retire` */
export type RetireRequest = SlotWrite

/** `PUT /runner`: makes sure that a runner of this environment lives. `POST /down`: ends all, the fronts last. */
export interface RunnerRequest {
  readonly environment: EnvironmentName
  /** The runner of now hangs: it is killed and another one started. */
  readonly replace?: boolean
}

/** Exit status of a runner that would fail in the same way again: it is started when somebody asks for it. */
export const NOT_AGAIN = 78

/** `GET /snapshot` */
export interface SupervisorSnapshot {
  readonly protocol: number
  readonly version: string
  /** Version and hash of the program. */
  readonly build?: string
  readonly pid: number
  /** Folders in which replicas run or shall run. */
  readonly directories?: readonly string[]
  readonly environments: Readonly<
    Record<
      EnvironmentName,
      {
        readonly epoch: number
        readonly front: SupervisorFront
        readonly runner: { readonly pid: number | null; readonly restarts: number }
        readonly services: Readonly<Record<ServiceName, { readonly slots: Readonly<Record<SlotName, SupervisorSlot>> }>>
      }
    >
  >
}

export interface SupervisorFront {
  readonly pid: number | null
  readonly port: number
  /** It speaks TLS. */
  readonly encrypted?: boolean
  readonly socket: string
  readonly build?: string | null
  /** Why the front could not be replaced by one of the supervisor's build; null when there is no reason to say. */
  readonly notUpgraded?: string | null
}

export interface SupervisorSlot extends SlotFacts {
  /** Port and log file of each replica, by its id. */
  readonly addresses: Readonly<
    Record<string, { readonly port: number; readonly pid: number | null; readonly log: string }>
  >
}
