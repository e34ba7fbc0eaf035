// Judges what gets traffic now, for a while, and changes nothing.
import { judgeByMode } from '../../analysis/judges.ts'
import { emptySlot } from '../../domain/snapshot.ts'
import type { Verdict } from '../../domain/verdict.ts'
import { OperatingError } from '../../errors/catalogue.ts'
import type { Context } from '../context.ts'
import { activeSlot, groundOf, look, type Say, shareOf } from './ground.ts'

const TICK_MS = 1000

/**
 * The canary is held against the live slot while both get requests; else the live slot is judged by its limits alone.
 *
 * @returns the verdict at the end, or the first that is unhealthy
 */
export async function monitorStep(
  context: Context,
  { service, seconds }: { readonly service: string; readonly seconds: number },
  say: Say,
): Promise<Verdict> {
  const ground = await groundOf(context, service, say)
  const { clock, platform, environment } = context
  const facts = await look(ground)
  const active = activeSlot(ground, facts)
  const { visitor } = ground.layout
  const visits = visitor !== null && shareOf(facts, visitor) > 0
  const slot = visits ? visitor : active
  if (slot === null) throw new OperatingError('REFUSED', `Nothing of ${service} gets traffic yet.`)
  const armOf = (each: string) => ({ slot: each, revision: facts.slots[each]?.desiredRevision ?? '' })
  const hasControl = visits && active !== null && shareOf(facts, active) > 0
  let state = judgeByMode.start({
    triggers: environment.settings.triggers,
    candidate: armOf(slot),
    control: hasControl ? armOf(active) : null,
    monitorMs: seconds * 1000,
    stage: { index: 0, count: 1 },
    candidates: 1,
    weightPercent: shareOf(facts, slot),
  })
  const startedMs = clock.monotonicMs()
  let cursor = (await platform.observer.cells(service, null)).next
  let said = ''
  for (;;) {
    await clock.sleep(TICK_MS)
    const elapsedMs = clock.monotonicMs() - startedMs
    const read = await platform.observer.cells(service, cursor).catch(() => null)
    cursor = read?.next ?? cursor
    const candidate = (await look(ground)).slots[slot] ?? emptySlot
    const judged = judgeByMode.tick(state, { elapsedMs, cells: read?.cells ?? [], candidate, hasData: read !== null })
    state = judged.state
    const line = `${Math.round(elapsedMs / 1000)} s  ${judged.verdict.kind}: ${judged.verdict.reason}`
    if (judged.verdict.kind !== said) say(line)
    said = judged.verdict.kind
    if (judged.verdict.kind === 'unhealthy' || elapsedMs >= seconds * 1000) return judged.verdict
  }
}
