/** A name from moodify.yaml, such as `backend`. */
export type ServiceName = string
/** A name from moodify.yaml, such as `production`. */
export type EnvironmentName = string
/** A place that runs replicas of one service: `blue` or `green` on the embedded platform. */
export type SlotName = string
/** Where a service may run. */
export interface SlotLayout {
  /** Slots that a version can stay in. With one alone it is replaced in place. */
  readonly slots: readonly SlotName[]
  /** A slot in which a version is only tried before it moves to one of the others; null where it starts in its own. */
  readonly visitor: SlotName | null
  /** Its traffic cannot be shared out, only sent elsewhere as a whole. */
  readonly switchesOnly?: boolean
}

/** `r-` and a number that counts up within the environment, such as `r-12`. */
export type ReleaseId = string

/** What a slot is for at this moment. Engine state, never a property of the slot itself. */
export const roles = ['stable', 'candidate', 'previous'] as const
export type Role = (typeof roles)[number]

export const strategyNames = ['first', 'blue-green', 'canary', 'rolling', 'rollback'] as const
/** `first` and `rollback` are chosen by the planner, never typed. */
export type StrategyName = (typeof strategyNames)[number]

/** Who asked: a person at a terminal, a pipeline, or moodify itself. */
export interface Actor {
  readonly kind: 'person' | 'pipeline' | 'moodify'
  readonly name: string
}

export const MOODIFY: Actor = { kind: 'moodify', name: 'moodify' }

/** Percent of the traffic of a service per slot; the values add up to 100. */
export type Shares = Readonly<Record<SlotName, number>>
