// One effect, one call of a port. Every failure becomes a result: the engine decides what it means.

import type { Hooks, Notifier } from '../effects/ports/messages.ts'
import type { Platform } from '../effects/ports/platform.ts'
import type { Effect, EffectResult } from '../engine/effect.ts'
import { OperatingError } from '../errors/catalogue.ts'
import { sharesInWords } from '../plan/words.ts'

export interface World {
  readonly platform: Platform
  readonly hooks: Hooks
  readonly notifierFor: (webhook: string) => Notifier
}

/** @returns null when somebody else has taken over: then nothing more may be written */
export async function perform(
  effect: Effect,
  epoch: number,
  world: World,
  signal: AbortSignal,
): Promise<EffectResult | null> {
  try {
    return await call(effect, epoch, world, signal)
  } catch (error) {
    if (signal.aborted) return { ok: false, code: 'STOPPED', said: 'it was stopped: nobody waits for it any more' }
    if (!(error instanceof OperatingError)) throw error
    if (error.code === 'STALE_EPOCH') return null
    return { ok: false, code: error.code, said: error.message }
  }
}

async function call(effect: Effect, epoch: number, world: World, signal: AbortSignal): Promise<EffectResult> {
  const { workloads, traffic, checks } = world.platform
  switch (effect.kind) {
    case 'prepare':
      await workloads.prepare(effect.revision, signal)
      return done(`${effect.revision.service} ${effect.revision.version} is ready to start`)
    case 'applyRevision': {
      const { slot, revision, replicas } = effect.placement
      await workloads.applyRevision({ service: effect.service, slot, revision, replicas }, epoch)
      return done(`${replicas} × ${revision.version} are starting in ${slot}`)
    }
    case 'rollInPlace': {
      const { service, minReadyMs, placement } = effect
      await workloads.rollInPlace({ service, ...placement, minReadyMs }, epoch)
      return done(`${placement.slot} is rolling to ${placement.revision.version}`)
    }
    case 'setShares': {
      const { service, shares, generation } = effect
      const effective = await traffic.setShares({ service, shares, generation }, epoch)
      return done(`asked for ${sharesInWords(effective)} (generation ${generation})`)
    }
    case 'retire':
      await workloads.retire({ service: effect.service, slot: effect.slot }, epoch)
      return done(`${effect.slot} is ending`)
    case 'smoke':
      return smokeResult(await checks.smoke(effect, signal))
    case 'runHook':
      return runHook(effect, world, signal)
    case 'notify': {
      const { event, idempotencyKey, data } = effect
      const text = `${data['environment']}: ${data['version']} ${event}${data['reason'] ? `: ${data['reason']}` : ''}`
      await world.notifierFor(effect.webhook).notify({ event, idempotencyKey, data, text }, signal)
      return done(`told: ${event}`)
    }
  }
}

function done(said: string): EffectResult {
  return { ok: true, said }
}

function smokeResult(results: Awaited<ReturnType<Platform['checks']['smoke']>>): EffectResult {
  const failed = results.filter((result) => !result.passed)
  if (failed.length === 0) return done(results.map((result) => `${result.name}: ${result.saw}`).join('; '))
  return { ok: false, code: 'SMOKE_FAILED', said: failed.map((result) => `${result.name}: ${result.saw}`).join('; ') }
}

async function runHook(
  effect: Extract<Effect, { kind: 'runHook' }>,
  world: World,
  signal: AbortSignal,
): Promise<EffectResult> {
  const { name, hook, context } = effect
  const { exitCode, lastLines } = await world.hooks.run(
    { name, command: hook.run, timeoutMs: hook.timeoutMs, context },
    signal,
  )
  if (exitCode === 0) return done(`hook ${name} ended with 0`)
  return { ok: false, code: 'HOOK_FAILED', said: `hook ${name} ended with ${exitCode}: ${lastLines}` }
}
