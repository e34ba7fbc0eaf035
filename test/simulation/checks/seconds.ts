// Each second of the world: monitor time, a bad version that should have been found out, users under a broken journal.
import type { ServiceName } from '../../../src/domain/names.ts'
import type { Simulation } from '../simulation.ts'
import { inWords } from '../world/model.ts'
import { canCarry } from './capacity.ts'
import { armOf, type Followed, type Ledger } from './ledger.ts'

export function secondChecks(simulation: Simulation, ledger: Ledger) {
  const { violate } = simulation
  const { now, truth, servedIn } = ledger

  /** Each second of the world: monitor time, and whether a bad version should have been found out. */
  function everySecond(second: number) {
    const silent = simulation.fault('metrics-silent') !== null
    const hasData = now() - ledger.answeredAtMs <= 5_000
    const watching = simulation.processes.watching('writer')
    usersAreMovedToStable(watching)
    if (!ledger.release) return
    const isMonitored = simulation.processes.watching('anybody')
    if (isMonitored && hasData) ledger.release.monitorMs += 1_000
    if (ledger.release.wasWatching && !isMonitored) ledger.release.gaps++
    ledger.release.wasWatching = isMonitored
    for (const service of ledger.release.exposed) couldKnow(ledger.release, service, second, watching && !silent)
  }

  /** While the journal takes no records, users are sent back to stable, where that is possible. */
  function usersAreMovedToStable(watching: boolean) {
    const hindered = [
      'balancer-deaf',
      'balancer-late',
      'platform-down',
      'effect-fails',
      'effect-slow',
      'snapshot-stale',
      'snapshot-partial',
      'snapshot-disorder',
      'journal-slow',
    ] as const
    const isOn = simulation.fault('journal-refuses') && simulation.store.refused && watching
    ledger.refusedSeconds = isOn && !hindered.some((kind) => simulation.fault(kind)) ? ledger.refusedSeconds + 1 : 0
    if (!simulation.fault('journal-refuses')) simulation.store.refused = false
    if (ledger.refusedSeconds < 6) return
    for (const { service } of ledger.release?.plan.members ?? []) {
      const stable = ledger.roles.get(service)?.stable
      const found = truth(service)
      if (!stable || !found || found.shares[stable.slot] === 100 || ledger.release?.plan.strategy === 'first') continue
      const wasAble = found.history.filter(({ atMs }) => atMs >= now() - 6_000).concat(found.history.at(-1) ?? [])
      if (wasAble.every((moment) => canCarry(moment, found.shares, { [stable.slot]: 100 })))
        violate('a broken journal sends users to stable', `${service} is at ${inWords(found.shares)} since 6 s`)
    }
  }

  function couldKnow(followed: Followed, service: ServiceName, second: number, watching: boolean) {
    const { plan, direction, steps, cursor } = followed
    const isJudged = direction === 'forward' && plan.strategy !== 'rollback' && plan.strategy !== 'first'
    if (!isJudged || !watching || steps[cursor]?.kind === 'retire' || simulation.disturbed()) {
      followed.knowable.set(service, 0)
      return
    }
    const { windowMs } = plan.triggers
    const { requests, bad } = servedIn(service, armOf(followed, service), windowMs / 1000, 0)
    // What both versions do is no fault of the new one: then it holds.
    const { from } = plan.members.find((member) => member.service === service)!
    const old = from ? servedIn(service, `${from.slot}/${from.revision.id}`, 60, 0) : null
    const isShared = plan.triggers.mode === 'sequential' && old !== null && old.bad >= 3
    const isClear = !isShared && requests >= 40 && bad >= 10 && bad > requests * 0.15
    const seconds = isClear ? (followed.knowable.get(service) ?? 0) + 1 : 0
    followed.knowable.set(service, seconds)
    if (seconds > windowMs / 1000 + 4)
      violate(
        'a failing verdict wins',
        `${service} ${plan.version} fails ${bad} of ${requests} since ${seconds} s (second ${second})`,
      )
  }

  return { everySecond }
}
