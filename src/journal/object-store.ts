/**
 * Small objects by name, such as ConfigMaps, of one journal. A write can depend on the version that was read; that is the
 * only thing that makes writers take turns.
 *
 * Calls reject with an OperatingError: CLUSTER_UNREACHABLE when there was no answer, and whether a write happened is then
 * not known.
 */
export interface ObjectStore {
  /** Null when there is none. What is not `fresh` may be some time old, never older than what this store wrote. */
  get(name: string, options?: { readonly fresh: boolean }): Promise<StoredObject | null>
  /** Null when there is one of that name. */
  create(object: NewObject): Promise<StoredObject | null>
  /** All texts; null when it is no longer of that version. */
  replace(object: NewObject & { readonly version: string }): Promise<StoredObject | null>
  /** Some of the texts, in an object that is made where there is none. Whoever writes last wins. */
  set(object: NewObject): Promise<void>
  /** Nothing happens when there is none of that name. */
  delete(name: string): Promise<void>
  /** Of one part, or of all of them. */
  names(part?: Part): Promise<readonly string[]>
  close(): void
}

export type Part = 'head' | 'page' | 'inbox' | 'checkpoints' | 'samples'

export interface NewObject {
  readonly name: string
  readonly part: Part
  readonly data: Texts
}

export interface StoredObject {
  readonly name: string
  readonly version: string
  readonly data: Texts
}

export type Texts = Readonly<Record<string, string>>
