// What stands in the objects of a journal: a head with the newest records, and pages with those before. Each begins with
// a seal, so each can be folded by itself.
//
// Texts are packed as gzip in base64; `kubectl get configmap NAME -o jsonpath='{.data.records}' | base64 -d | gunzip`
// shows what is in them. People who change one by hand are found out by its checksum.
import { hash } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { JournalRecord } from '../engine/record.ts'
import type { Texts } from './object-store.ts'
import type { Seal } from './seals.ts'

/** Records after a seal, without a gap. */
export interface Page {
  readonly seal: Seal
  readonly records: readonly JournalRecord[]
}

/** Where a page is, so that it is only fetched when it is needed. */
export interface PageEntry {
  readonly name: string
  readonly first: number
  readonly last: number
  /** Of its seal. */
  readonly releases: number
  readonly sealVersion: number
  /** Whether no release was under way at its seal. */
  readonly atRest: boolean
  readonly bytes: number
}

export interface Head extends Page {
  readonly environment: string
  readonly epoch: number
  /** Oldest first. */
  readonly pages: readonly PageEntry[]
}

/** Of the packed texts of a head. What grows beyond goes into a page. */
export const HEAD_BYTES = 16 * 1024

export function pack(value: unknown): string {
  return gzipSync(JSON.stringify(value)).toString('base64')
}

const packed = new WeakMap<object, string>()

/** For values that never change: a head is measured before it is written, and keeps its seal for long. */
function packOnce(value: object): string {
  const text = packed.get(value) ?? pack(value)
  packed.set(value, text)
  return text
}

/** Null when it is not what was packed. */
export function unpack(text: string | undefined): unknown {
  try {
    return JSON.parse(gunzipSync(Buffer.from(text ?? '', 'base64')).toString())
  } catch {
    return null
  }
}

export function pageTexts(page: Page): Texts {
  return checked({ seal: packOnce(page.seal), records: packOnce(page.records) })
}

export function pageIn(texts: Texts): Page | null {
  return isWhole(texts) ? ({ seal: unpack(texts['seal']), records: unpack(texts['records']) } as Page) : null
}

export function headTexts({ seal, records, ...rest }: Head): Texts {
  const { epoch, environment, pages } = rest
  const last = records.at(-1)
  const about = `${environment}: epoch ${epoch}, ${last?.seq ?? seal.seq} records${last ? `, the last one: ${last.reason}` : ''}`
  return checked({
    about,
    head: JSON.stringify({ epoch, environment, pages }),
    seal: packOnce(seal),
    records: packOnce(records),
  })
}

export function headIn(texts: Texts): Head | null {
  const page = pageIn(texts)
  return page && { ...(JSON.parse(texts['head']!) as Omit<Head, keyof Page>), ...page }
}

/** The entry of a page of its own name: the same records never have two, and other ones never the same. */
export function entryOf(prefix: string, { seal, records }: Page, texts: Texts): PageEntry {
  const [first, last] = [records[0]!.seq, records.at(-1)!.seq]
  const number = (seq: number) => String(seq).padStart(6, '0')
  return {
    name: `${prefix}-${number(first)}-${number(last)}-${texts['check']!.slice(0, 8)}`,
    first,
    last,
    releases: seal.releases,
    sealVersion: seal.version,
    atRest: !(JSON.parse(seal.state) as { release: unknown }).release,
    bytes: bytesOf(texts),
  }
}

/** The last seq in a page of this name. */
export function lastIn(name: string): number {
  return Number(/-(\d+)-[0-9a-f]+$/.exec(name)?.[1])
}

export function bytesOf(texts: Texts): number {
  return Object.values(texts).reduce((sum, text) => sum + Buffer.byteLength(text), 0)
}

function checked(texts: Texts): Texts {
  return { ...texts, check: checkOf(texts) }
}

function isWhole({ check, writes: _, ...texts }: Texts): boolean {
  return check === checkOf(texts)
}

function checkOf(texts: Texts): string {
  return hash('sha256', JSON.stringify(Object.entries(texts).toSorted())).slice(0, 32)
}
