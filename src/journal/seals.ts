// A seal is the state up to some record, kept beside the records. With it nobody has to read all releases that ever
// were to know what is now, and old releases can go.
//
// It saves reading and decides nothing: where it is not what was written, or of a version that is not known here, the
// seal before it serves, or the records from the first one on.
import { hash } from 'node:crypto'
import { type EnvironmentState, emptyState } from '../engine/state.ts'
import { OperatingError } from '../errors/catalogue.ts'

/**
 * Raised when the state gets something that an earlier moodify could have folded from the same records, and did not.
 * The earlier versions stay readable, with what they lack filled in here. What only new kinds of records bring needs no
 * new version: it is as `emptyState` has it.
 */
export const SEAL_VERSION = 1

/** Releases whose records are kept, unless the configuration says otherwise. */
export const KEEP_RELEASES = 100

/** Where folding starts. */
export interface Base {
  readonly seq: number
  readonly state: EnvironmentState
}

export const firstBase: Base = { seq: 0, state: emptyState }

/** A seal as it is stored. */
export interface Seal {
  readonly seq: number
  readonly version: number
  /** Releases that had started by then. */
  readonly releases: number
  /** The state as JSON. */
  readonly state: string
  readonly checksum: string
}

export function sealOf(state: EnvironmentState): Seal {
  const seal = { seq: state.seq, version: SEAL_VERSION, releases: state.releaseCount, state: JSON.stringify(state) }
  return { ...seal, checksum: sealChecksum(seal) }
}

/** Its own words, whoever wrote it. */
export function isIntact(seal: Seal): boolean {
  return seal.checksum === sealChecksum(seal)
}

/** Null when nothing can be folded from it here. */
export function baseOf(seal: Seal): Base | null {
  if (seal.version > SEAL_VERSION || !isIntact(seal)) return null
  const state = { ...emptyState, ...(JSON.parse(seal.state) as EnvironmentState) }
  return state.seq === seal.seq ? { seq: seal.seq, state } : null
}

/**
 * The seq up to which records may go, so that those of the last `keepReleases` releases stay, or 0. What stays starts at a
 * seal of this version: a seal that another version wrote never becomes the only way to what was before it.
 */
export function prunableTo(seals: readonly Seal[], state: EnvironmentState, keepReleases: number): number {
  const starts = seals.filter(
    (seal) => seal.version === SEAL_VERSION && state.releaseCount - seal.releases >= keepReleases && baseOf(seal),
  )
  return Math.max(0, ...starts.map(({ seq }) => seq))
}

/** @throws OperatingError JOURNAL_NEWER */
export function refuseNewerSeal(version: number): never {
  throw new OperatingError(
    'JOURNAL_NEWER',
    `the journal was sealed by a newer moodify (seal version ${version}, this one knows ${SEAL_VERSION}), and the records before are gone`,
    'use the newer moodify; nothing was changed',
  )
}

/** What tells whether a seal is as it was written. */
export function sealChecksum({ seq, version, releases, state }: Omit<Seal, 'checksum'>): string {
  return hash('sha256', JSON.stringify([seq, version, releases, state])).slice(0, 16)
}
