import { setTimeout as sleep } from 'node:timers/promises'

const DEADLINE_MS = 30_000

/** Waits until `look` finds something; the deadline is only for a broken test. */
export async function until<T>(
  what: string,
  look: () => Promise<T | null | false | undefined> | T | null | false | undefined,
): Promise<T> {
  const deadline = performance.now() + DEADLINE_MS
  for (;;) {
    const seen = await look()
    if (seen) return seen
    if (performance.now() > deadline) throw new Error(`not seen in time: ${what}`)
    await sleep(25)
  }
}
