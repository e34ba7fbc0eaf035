// What a slot's loop does next, from what is desired and what runs. Level-triggered: nothing is remembered
// between two calls, so a supervisor that died in the middle of a roll goes on from what it finds.

export interface ReplicaView {
  readonly id: string
  readonly revision: string
  readonly ending: boolean
  readonly ready: boolean
  /** How long it has been ready; 0 when it is not. */
  readonly readyMs: number
  /** It has failed since it started, so nothing is lost with it. One that is just starting has not. */
  readonly failing: boolean
}

export interface SlotWish {
  /** Null: the slot is to be empty. */
  readonly revision: string | null
  readonly replicas: number
  /** Of a roll: how long a new replica is ready before the next old one goes. Null: others end at once. */
  readonly minReadyMs: number | null
}

export interface SlotPlan {
  readonly start: number
  readonly end: readonly string[]
  /** When time alone changes the answer. */
  readonly wakeInMs: number | null
}

export function planSlot(wish: SlotWish, replicas: readonly ReplicaView[]): SlotPlan {
  const staying = replicas.filter((replica) => !replica.ending)
  const current = staying.filter((replica) => replica.revision === wish.revision)
  const old = staying.filter((replica) => replica.revision !== wish.revision)
  const surplus = leastUseful(current, current.length - wish.replicas)
  if (wish.revision === null) return { start: 0, end: ids(staying), wakeInMs: null }
  if (wish.minReadyMs === null) {
    return { start: Math.max(0, wish.replicas - current.length), end: ids([...old, ...surplus]), wakeInMs: null }
  }
  return planRoll(wish.replicas, wish.minReadyMs, current, old, surplus)
}

/** One replica more than wished at a time, and never fewer available ones than wished because of us. */
function planRoll(
  wished: number,
  minReadyMs: number,
  current: readonly ReplicaView[],
  old: readonly ReplicaView[],
  surplus: readonly ReplicaView[],
): SlotPlan {
  const waiting = current.filter((replica) => replica.ready && replica.readyMs < minReadyMs)
  const available = current.filter((replica) => replica.ready).length - waiting.length
  const oldReady = old.filter((replica) => replica.ready)
  const useless = old.filter((replica) => !replica.ready && (replica.failing || available >= wished))
  const spare = Math.max(0, available + oldReady.length - wished)
  const leaving = [...useless, ...oldReady.slice(0, spare)]
  const room = wished + 1 - current.length - (old.length - leaving.length)
  return {
    start: Math.max(0, Math.min(wished - current.length, room)),
    end: ids([...leaving, ...surplus]),
    wakeInMs: waiting.length === 0 ? null : Math.min(...waiting.map((replica) => minReadyMs - replica.readyMs)),
  }
}

function leastUseful(replicas: readonly ReplicaView[], count: number): readonly ReplicaView[] {
  return replicas.toSorted((a, b) => a.readyMs - b.readyMs).slice(0, Math.max(0, count))
}

function ids(replicas: readonly ReplicaView[]): string[] {
  return replicas.map((replica) => replica.id)
}
