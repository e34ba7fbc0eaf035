// One object changed after the other's hand: read, change, write, and again when somebody came between.
import { randomUUID } from 'node:crypto'
import { OperatingError } from '../errors/catalogue.ts'
import type { ObjectStore, Part, StoredObject, Texts } from './object-store.ts'

/** Marks of the last writes stay in the object: whoever got no answer sees whether his is among them. */
const MARKS = 8
const ATTEMPTS = 50
/** An API server that is being restarted is waited for. */
const PATIENCE_MS = 60_000
const LONGEST_PAUSE_MS = 2000

export interface Waiting {
  readonly nowMs: () => number
  readonly sleep: (ms: number) => Promise<void>
}

/**
 * @param change  the texts that the object gets; called again with what is there now when somebody was faster
 * @returns       what is there now, or null where that has to be read
 * @throws what `change` throws, and OperatingError JOURNAL_FAILED
 */
export async function changeObject(
  store: ObjectStore,
  { name, part }: { readonly name: string; readonly part: Part },
  change: (found: StoredObject | null) => Promise<Texts>,
  { nowMs, sleep }: Waiting,
): Promise<StoredObject | null> {
  const startedMs = nowMs()
  const mark = randomUUID().slice(0, 8)
  let isUnsure = false
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      const found = await store.get(name, { fresh: attempt > 0 })
      if (isUnsure && marksIn(found).includes(mark)) return null
      const writes = [...marksIn(found), mark].slice(-MARKS).join(' ')
      const data = { ...(await change(found)), writes }
      // Whatever goes wrong from here on, it may have been written.
      isUnsure = true
      const object = { name, part, data }
      const written = await (found ? store.replace({ ...object, version: found.version }) : store.create(object))
      if (written) return written
    } catch (error) {
      if (!(error instanceof OperatingError) || error.code !== 'CLUSTER_UNREACHABLE') throw error
      if (nowMs() - startedMs > PATIENCE_MS) throw new OperatingError('JOURNAL_FAILED', error.message, error.hint)
      await sleep(Math.min(LONGEST_PAUSE_MS, 100 * 2 ** attempt))
    }
  }
  throw new OperatingError(
    'JOURNAL_FAILED',
    `${name} was changed by others ${ATTEMPTS} times in a row; nothing was stored`,
  )
}

function marksIn(object: StoredObject | null): readonly string[] {
  return object?.data['writes']?.split(' ') ?? []
}
