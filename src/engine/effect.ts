// What the engine can ask the world for. Data: the runner turns each into one call of a port.
import type { HookConfig, SmokeTest } from '../config/config.ts'
import type { ServiceName, Shares, SlotName } from '../domain/names.ts'
import type { Revision } from '../domain/revision.ts'
import type { Placement } from '../plan/plan.ts'

export type Effect =
  | { readonly kind: 'prepare'; readonly revision: Revision }
  | { readonly kind: 'applyRevision'; readonly service: ServiceName; readonly placement: Placement }
  | {
      readonly kind: 'rollInPlace'
      readonly service: ServiceName
      readonly placement: Placement
      readonly minReadyMs: number
    }
  | {
      readonly kind: 'setShares'
      readonly service: ServiceName
      readonly shares: Shares
      readonly generation: number
    }
  | { readonly kind: 'retire'; readonly service: ServiceName; readonly slot: SlotName }
  | {
      readonly kind: 'smoke'
      readonly service: ServiceName
      readonly slot: SlotName
      readonly tests: readonly SmokeTest[]
    }
  | {
      readonly kind: 'runHook'
      readonly name: string
      readonly hook: HookConfig
      readonly context: Readonly<Record<string, string>>
    }
  | {
      readonly kind: 'notify'
      readonly webhook: string
      readonly event: string
      readonly idempotencyKey: string
      readonly data: Readonly<Record<string, string>>
    }

export type EffectKind = Effect['kind']

/**
 * What a repeat after a crash means. `converge`: harmless. `check`: harmless, runs twice. `tell`: the receiver
 * tells repeats apart. `once`: an intent without a result is unknown, and a person decides.
 */
export type EffectClass = 'converge' | 'check' | 'tell' | 'once'

export const effectClass: Readonly<Record<EffectKind, EffectClass>> = {
  prepare: 'converge',
  applyRevision: 'converge',
  rollInPlace: 'converge',
  setShares: 'converge',
  retire: 'converge',
  smoke: 'check',
  notify: 'tell',
  runHook: 'once',
}

export type EffectResult =
  | { readonly ok: true; readonly said: string }
  | { readonly ok: false; readonly code: string; readonly said: string }

/** Which issue of which step an effect or a result belongs to. */
export interface EffectId {
  readonly release: string
  readonly step: string
  readonly attempt: number
}

export function sameEffect(a: EffectId | null, b: EffectId | null): boolean {
  return a !== null && b !== null && a.release === b.release && a.step === b.step && a.attempt === b.attempt
}
