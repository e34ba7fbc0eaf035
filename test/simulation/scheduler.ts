// Virtual time. Everything that happens is an event with a time; between two events all promises that can go on
// do so. `process.nextTick` runs when no microtask is left, which is exactly that moment and costs no turn of the
// event loop.

export interface Scheduler {
  nowMs(): number
  /** Events of the same time run in the order in which they were asked for. */
  at(atMs: number, run: () => void): void
  after(ms: number, run: () => void): void
  /** Runs events in order until nothing is left or `isOver`. */
  run(isOver: () => boolean): Promise<void>
}

interface Event {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

export function createScheduler(): Scheduler {
  const heap: Event[] = []
  let nowMs = 0
  let order = 0

  const isBefore = (a: Event, b: Event) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

  function push(event: Event): void {
    let place = heap.length
    heap.push(event)
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!isBefore(event, heap[parent]!)) break
      heap[place] = heap[parent]!
      place = parent
    }
    heap[place] = event
  }

  function pop(): Event | undefined {
    const first = heap[0]
    const last = heap.pop()
    if (!first || !last || heap.length === 0) return first
    let place = 0
    for (;;) {
      const left = 2 * place + 1
      if (left >= heap.length) break
      const smaller = left + 1 < heap.length && isBefore(heap[left + 1]!, heap[left]!) ? left + 1 : left
      if (!isBefore(heap[smaller]!, last)) break
      heap[place] = heap[smaller]!
      place = smaller
    }
    heap[place] = last
    return first
  }

  const at = (atMs: number, run: () => void) => push({ atMs: Math.max(atMs, nowMs), order: order++, run })

  return {
    nowMs: () => nowMs,
    at,
    after: (ms, run) => at(nowMs + ms, run),
    run: (isOver) =>
      new Promise((resolve, reject) => {
        // Asked for within the drain of the microtasks, a tick comes after the last of them.
        const drained = () => process.nextTick(step)
        const step = () => {
          try {
            const event = isOver() ? undefined : pop()
            if (!event) return resolve()
            nowMs = event.atMs
            event.run()
            queueMicrotask(drained)
          } catch (error) {
            reject(error)
          }
        }
        step()
      }),
  }
}
