import type { SlotName } from '../domain/names.ts'
import type { ObjectDifference, Preview, RenderedObject } from '../effects/ports/preview.ts'
import { OperatingError } from '../errors/catalogue.ts'
import type { Context } from './context.ts'
import { activeSlot, checkSlot, groundOf, idleSlot, look } from './steps/ground.ts'

export interface PreviewOptions {
  readonly version: string
  readonly slot?: SlotName
}

/** What would be applied for a version, in one slot or in every one; no cluster has to answer. */
export async function render(context: Context, { version, slot }: PreviewOptions): Promise<readonly RenderedObject[]> {
  const preview = previewOf(context)
  const revisions = await context.versions.revisions(context.config, version)
  return Object.values(revisions).flatMap((revision) => preview.render(revision, slot ?? null))
}

/** What applying it would change; without a slot, in the one that a release would use. */
export async function diff(context: Context, { version, slot }: PreviewOptions): Promise<readonly ObjectDifference[]> {
  const preview = previewOf(context)
  const revisions = await context.versions.revisions(context.config, version)
  const found = await Promise.all(
    Object.entries(revisions).map(async ([service, revision]) => {
      const ground = await groundOf(context, service, () => {})
      const target = slot ? checkSlot(ground, slot) : idleSlot(ground, activeSlot(ground, await look(ground)))
      return preview.diff(revision, target)
    }),
  )
  return found.flat()
}

function previewOf({ preview, environment }: Context): Preview {
  if (preview) return preview
  throw new OperatingError(
    'REFUSED',
    `${environment.name} is on this machine: nothing is applied there that could be shown.`,
    'moodify plan -v VERSION',
  )
}
