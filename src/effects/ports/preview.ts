import type { SlotName } from '../../domain/names.ts'
import type { Revision } from '../../domain/revision.ts'

/** Where a platform applies objects: what they would be, before anything is applied. */
export interface Preview {
  /**
   * The objects that make a slot run a revision, or those of every slot, in the order in which they would be applied.
   *
   * @throws OperatingError MANIFEST_INVALID, PLATFORM_FAILED
   */
  render(revision: Revision, slot: SlotName | null): readonly RenderedObject[]
  /**
   * What applying them would change, as the cluster itself says; nothing is changed.
   *
   * @throws OperatingError CLUSTER_REFUSED, CLUSTER_UNREACHABLE
   */
  diff(revision: Revision, slot: SlotName | null): Promise<readonly ObjectDifference[]>
}

export interface RenderedObject {
  readonly kind: string
  readonly name: string
  /** YAML, one document. */
  readonly text: string
}

export interface ObjectDifference {
  readonly kind: string
  readonly name: string
  readonly exists: boolean
  readonly changes: readonly FieldChange[]
}

export interface FieldChange {
  /** Such as `spec.template.spec.containers[backend].image`. */
  readonly path: string
  /** Undefined where there is nothing. */
  readonly before: unknown
  readonly after: unknown
}
