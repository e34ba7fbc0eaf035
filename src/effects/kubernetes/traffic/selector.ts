// Which slot a Service sends to, and the change of its selector that sends to another. Pure.
//
// Slots may be told apart by different labels (colours by `environment`, the canary by `version`). A selector that
// points at one slot has that slot's labels and none of the other slots' keys; all other keys are not ours.
import type { SlotName } from '../../../domain/names.ts'
import type { KubernetesObject, PatchOperation } from '../api.ts'
import type { RoutedSlot } from './plane.ts'
import { escapePointer } from './stamp.ts'

type Slots = Readonly<Record<SlotName, RoutedSlot>>
type Labels = Readonly<Record<string, string>>

export function selectorOf(service: KubernetesObject): Labels {
  return (service['spec'] as { selector?: Labels } | undefined)?.selector ?? {}
}

/** Slots whose pods a selector matches, as far as the labels that tell slots apart decide it. */
export function selectedSlots(selector: Labels, slots: Slots): SlotName[] {
  const keys = slotKeys(slots)
  return Object.entries(slots)
    .filter(([, { labels }]) => keys.every((key) => selector[key] === undefined || selector[key] === labels[key]))
    .map(([name]) => name)
}

/** Nobody's pods: what a Service leads to before the first version has passed its checks. */
export const NOBODY = Symbol('nobody')
const NO_LABEL = 'none'

export type Selected = SlotName | typeof NOBODY | null

/** The selector that points at exactly this slot, at nobody, or with null at all of them. */
export function selectorFor(selector: Labels, slots: Slots, slot: Selected): Labels {
  const keys = slotKeys(slots)
  const others = Object.fromEntries(Object.entries(selector).filter(([key]) => !keys.includes(key)))
  if (slot === null) return others
  if (slot === NOBODY) return { ...others, ...Object.fromEntries(keys.map((key) => [key, NO_LABEL])) }
  return { ...others, ...slots[slot]?.labels }
}

/** Tests what is changed, then changes it. Empty when the selector already is as wanted. */
export function selectorOperations(service: KubernetesObject, slots: Slots, slot: Selected): PatchOperation[] {
  const before = selectorOf(service)
  const after = selectorFor(before, slots, slot)
  const path = (key: string) => `/spec/selector/${escapePointer(key)}`
  const changed = slotKeys(slots).filter((key) => before[key] !== after[key])
  const tests = changed.flatMap((key): PatchOperation[] =>
    before[key] === undefined ? [] : [{ op: 'test', path: path(key), value: before[key] }],
  )
  const changes = changed.map((key): PatchOperation => {
    if (after[key] === undefined) return { op: 'remove', path: path(key) }
    return { op: before[key] === undefined ? 'add' : 'replace', path: path(key), value: after[key] }
  })
  return [...tests, ...changes]
}

function slotKeys(slots: Slots): string[] {
  return [...new Set(Object.values(slots).flatMap(({ labels }) => Object.keys(labels)))].toSorted()
}
