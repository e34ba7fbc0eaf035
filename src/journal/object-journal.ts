// The journal as objects of a cluster: one head, whose version is the only thing that decides who may write, and pages
// that are written once. Whoever reaches the cluster has all of it.
//
// A page is there before the head names it, so what the head says is always readable. One that no head came to name is
// an orphan: it is never read, and goes when its turn to be forgotten comes.
import { fold } from '../engine/evolve.ts'
import { type JournalRecord, RECORD_VERSION, recordVersion } from '../engine/record.ts'
import type { EnvironmentState } from '../engine/state.ts'
import { invariant, OperatingError } from '../errors/catalogue.ts'
import { changeObject, type Waiting } from './changes.ts'
import { openInbox } from './inbox.ts'
import { type Journal, JournalDamaged, type Newest } from './journal.ts'
import type { ObjectStore, StoredObject } from './object-store.ts'
import {
  bytesOf,
  entryOf,
  HEAD_BYTES,
  type Head,
  headIn,
  headTexts,
  lastIn,
  type Page,
  type PageEntry,
  pageIn,
  pageTexts,
} from './pages.ts'
import { baseOf, firstBase, KEEP_RELEASES, refuseNewerSeal, SEAL_VERSION, sealOf } from './seals.ts'
import { openSideNotes } from './side-notes.ts'

/** Pages are put together until they have this size, or this share of the releases that are kept. */
const PAGE_BYTES = 96 * 1024
const PAGES_OF_KEPT = 4

export interface ObjectJournalOptions extends Waiting {
  readonly store: ObjectStore
  readonly environment: string
  /** Wall time as ISO 8601 in UTC, for the `at` of records. */
  readonly wall: () => string
  readonly keepReleases?: number
}

export function openObjectJournal(options: ObjectJournalOptions): Journal {
  const { store, environment, wall, keepReleases = KEEP_RELEASES } = options
  const prefix = `moodify-journal-${environment}`
  const inbox = openInbox({ ...options, name: `${prefix}-inbox` })
  const notes = openSideNotes({ ...options, prefix })
  const emptyHead: Head = { environment, epoch: 0, pages: [], seal: sealOf(firstBase.state), records: [] }
  let parsed: { readonly version: string; readonly head: Head } | null = null

  // --- reading --------------------------------------------------------------------------------------------

  function damaged(what: string, whole: readonly JournalRecord[] = [], base = firstBase): JournalDamaged {
    const hint = `kubectl get configmaps -l moodify.dev/journal=${environment}; restore what is missing, or delete them all to begin a new journal`
    return new JournalDamaged(`the journal of ${environment} is damaged: ${what}`, hint, whole, base)
  }

  /** @throws JournalDamaged when there is none though there are other objects of this journal */
  async function headOf(object: StoredObject | null): Promise<Head> {
    if (!object) {
      const pages = await store.names('page')
      if (pages.length > 0) throw damaged(`${prefix} is gone, and has held records before`)
      return emptyHead
    }
    if (parsed?.version === object.version) return parsed.head
    const head = headIn(object.data)
    if (!head) throw damaged(`the records in ${prefix} are not what was written`)
    if (head.environment !== environment) throw damaged(`${prefix} is of ${head.environment}`)
    parsed = { version: object.version, head }
    return head
  }

  const readHead = async () => headOf(await store.get(prefix))

  async function readPage({ name, first, last }: PageEntry): Promise<Page> {
    const object = await store.get(name)
    const page = object && pageIn(object.data)
    if (page) return page
    throw damaged(`records ${first} to ${last} ${object ? 'are not what was written' : 'are missing'} (${name})`)
  }

  /** All that is kept of these pages and after them; a page that cannot be read ends it. */
  async function recordsOf(pages: readonly PageEntry[], head: Head, base = firstBase): Promise<JournalRecord[]> {
    const records: JournalRecord[] = []
    try {
      for (const entry of pages) records.push(...(await readPage(entry)).records)
    } catch (error) {
      throw error instanceof JournalDamaged ? damaged(detailOf(error), records, base) : error
    }
    return [...records, ...head.records]
  }

  async function read(after: number): Promise<readonly JournalRecord[]> {
    return retryingOnce(async () => {
      const head = await readHead()
      const records = await recordsOf(
        head.pages.filter(({ last }) => last > after),
        head,
      )
      return withoutNewer(records.filter(({ seq }) => seq > after))
    })
  }

  /** Pages that a head named may be put together and gone before they are read; then there is a newer head. */
  async function retryingOnce<T>(work: () => Promise<T>): Promise<T> {
    return work().catch(async (error: unknown) => {
      const before = parsed?.version
      const object = error instanceof JournalDamaged ? await store.get(prefix, { fresh: true }) : null
      if (!object || object.version === before) throw error
      return work()
    })
  }

  /** From the newest seal at rest behind which a release starts; where there is none, from the oldest that is kept. */
  async function newestOf(head: Head, notAfter: number): Promise<Newest> {
    let hasStart = starts(head)
    if (hasStart && head.seal.seq <= notAfter && isAtRest(head)) {
      const base = baseOf(head.seal)
      if (base) return { base, records: withoutNewer(head.records) }
    }
    for (const [index, entry] of [...head.pages.entries()].toReversed()) {
      const page = await readPage(entry)
      hasStart ||= starts(page)
      const base = hasStart && entry.atRest && page.seal.seq <= notAfter ? baseOf(page.seal) : null
      if (base) return { base, records: withoutNewer(await recordsOf(head.pages.slice(index), head, base)) }
    }
    const oldest = head.pages[0] ? (await readPage(head.pages[0])).seal : head.seal
    const base = baseOf(oldest) ?? refuseNewerSeal(oldest.version)
    return { base, records: withoutNewer(await recordsOf(head.pages, head, base)) }
  }

  // --- writing --------------------------------------------------------------------------------------------

  /** Changes the head by a function of what it is; pages that it needs are there before it. */
  async function changeHead(change: (head: Head) => Promise<Head>): Promise<Head> {
    let next = emptyHead
    const written = await changeObject(
      store,
      { name: prefix, part: 'head' },
      async (found) => {
        next = await change(await headOf(found))
        return headTexts(next)
      },
      options,
    )
    if (written) parsed = { version: written.version, head: next }
    return next
  }

  /** What does not fit into the head goes into a page, with all that is in the head. */
  async function withRecords(head: Head, added: readonly JournalRecord[]): Promise<Head> {
    const longer = { ...head, epoch: added.at(-1)!.epoch, records: [...head.records, ...added] }
    if (bytesOf(headTexts(longer)) <= HEAD_BYTES) return longer
    const { base, records } = await newestOf(longer, Number.POSITIVE_INFINITY)
    return turned(longer, fold(records, base.state), [])
  }

  /** The head's records, and those of the pages before it that are put together with them, become one page. */
  async function turned(head: Head, state: EnvironmentState, joined: readonly PageEntry[]): Promise<Head> {
    const before = await Promise.all(joined.map(readPage))
    const parts = [...before, head]
    const page = { seal: parts[0]!.seal, records: parts.flatMap(({ records }) => records) }
    const data = pageTexts(page)
    const entry = entryOf(prefix, page, data)
    await store.create({ name: entry.name, part: 'page', data })
    const pages = [...head.pages.slice(0, head.pages.length - joined.length), entry]
    return { ...head, pages, seal: sealOf(state), records: [] }
  }

  /** The last pages, as many as have room in one together with the head's records. */
  function joinable(head: Head, state: EnvironmentState): readonly PageEntry[] {
    let bytes = bytesOf(headTexts(head))
    const from = head.pages.findLastIndex((entry) => {
      bytes += entry.bytes
      return bytes > PAGE_BYTES || (state.releaseCount - entry.releases) * PAGES_OF_KEPT > keepReleases
    })
    return head.pages.slice(from + 1)
  }

  /** Pages that are not needed any more: what stays begins at a seal of this version, at rest. */
  function forgettable(head: Head, state: EnvironmentState): readonly PageEntry[] {
    const own = { releases: head.seal.releases, sealVersion: head.seal.version, atRest: isAtRest(head) }
    const count = [...head.pages.slice(1), own].findLastIndex(
      ({ releases, sealVersion, atRest }) =>
        atRest && sealVersion === SEAL_VERSION && state.releaseCount - releases >= keepReleases,
    )
    return head.pages.slice(0, count + 1)
  }

  async function forget(pages: readonly PageEntry[]): Promise<void> {
    for (const entry of pages) {
      const page = await readPage(entry).catch(() => null)
      for (const release of startedIn(page?.records ?? [])) await notes.forget(release)
    }
    const forgottenTo = pages.at(-1)!.last
    // Orphans too: whoever may still name a page names one behind what is forgotten.
    for (const name of await store.names('page')) if (lastIn(name) <= forgottenTo) await store.delete(name)
  }

  return {
    async takeEpoch(runner) {
      const at = wall()
      const body = { kind: 'epochTaken', runner: runner.name, moodify: runner.moodify } as const
      const head = await changeHead(async (found) => {
        // The first write of a runner: nothing may be added to what cannot be read.
        await newestOf(found, Number.POSITIVE_INFINITY)
        const record = {
          version: recordVersion(body),
          seq: lastSeq(found) + 1,
          at,
          epoch: Math.max(found.epoch, runner.above ?? 0) + 1,
          environment,
          release: null,
          body,
          reason: `${runner.name} took over`,
          actor: { kind: 'moodify', name: 'moodify' },
        } as const
        return withRecords(found, [record])
      })
      notes.epoch = head.epoch
      return head.epoch
    },
    async append(decisions, expected) {
      const { epoch, seq, release } = expected
      const at = wall()
      const records = decisions.map((decision, index) => {
        const place = { version: recordVersion(decision.body), seq: seq + 1 + index, at, epoch, environment, release }
        // Cloned as it will be read, so that what cannot be stored fails here.
        return JSON.parse(JSON.stringify({ ...decision, ...place })) as JournalRecord
      })
      await changeHead(async (head) => {
        if (head.epoch > epoch || lastSeq(head) !== seq) {
          throw new OperatingError(
            'STALE_EPOCH',
            `another runner (epoch ${head.epoch}) writes this journal; this one had ${epoch}`,
          )
        }
        return records.length === 0 ? head : withRecords(head, records)
      })
      return records
    },
    newest: (notAfter = Number.POSITIVE_INFINITY) => retryingOnce(async () => newestOf(await readHead(), notAfter)),
    read: (after = 0) => read(after),
    async seal(state) {
      invariant(!state.release, 'a journal is sealed while no release runs')
      let unneeded: readonly string[] = []
      let forgotten: readonly PageEntry[] = []
      await changeHead(async (head) => {
        const before = head.pages
        const isOver = lastSeq(head) === state.seq && head.records.length > 0
        const sealed = isOver ? await turned(head, state, joinable(head, state)) : head
        forgotten = forgettable(sealed, state)
        const pages = sealed.pages.slice(forgotten.length)
        unneeded = before
          .filter((entry) => ![...pages, ...forgotten].some(({ name }) => name === entry.name))
          .map(({ name }) => name)
        return { ...sealed, pages }
      })
      for (const name of unneeded) await store.delete(name)
      if (forgotten.length === 0) return
      await forget(forgotten)
      await inbox.forget(state.lastCommandId)
    },
    post: inbox.post,
    withdraw: inbox.withdraw,
    commands: inbox.commands,
    saveCheckpoint: notes.saveCheckpoint,
    checkpoint: notes.checkpoint,
    saveSample: notes.saveSample,
    samples: notes.samples,
    close: () => store.close(),
  }
}

const lastSeq = ({ seal, records }: Page) => records.at(-1)?.seq ?? seal.seq

function startedIn(records: readonly JournalRecord[]): string[] {
  return records.flatMap(({ body }) => (body.kind === 'releaseStarted' ? [body.release] : []))
}

const starts = ({ records }: Page) => startedIn(records).length > 0

const isAtRest = ({ seal }: Page) => !(JSON.parse(seal.state) as EnvironmentState).release

/** What an inner error says, without the frame that the outer one puts around it. */
function detailOf({ message }: JournalDamaged): string {
  return message.replace(/^.* is damaged: /, '')
}

/** @throws OperatingError JOURNAL_NEWER */
function withoutNewer(records: readonly JournalRecord[]): readonly JournalRecord[] {
  const newer = records.find(({ version }) => version > RECORD_VERSION)
  if (!newer) return records
  throw new OperatingError(
    'JOURNAL_NEWER',
    `the journal was written by a newer moodify (record version ${newer.version}, this one knows ${RECORD_VERSION})`,
    'use the newer moodify; nothing was changed',
  )
}
