// What holds of every plan, whatever is configured and whatever is live.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { Config } from '../../src/config/config.ts'
import type { ServiceName, Shares } from '../../src/domain/names.ts'
import { stepsBack } from '../../src/engine/back.ts'
import type { EnvironmentState } from '../../src/engine/state.ts'
import type { Placement, Plan, Step } from '../../src/plan/plan.ts'
import { configOf, type PlanWish, placementOf, planOf, walk } from './support.ts'

// The seed is fixed, so that a failure is one of the code; another comes with MOODIFY_TEST_SEED.
fc.configureGlobal({ seed: Number(process.env.MOODIFY_TEST_SEED ?? 20), numRuns: 200 })

// --- any configuration and any situation -----------------------------------------------------------------------------

const names = ['backend', 'frontend', 'worker']
const seconds = fc.integer({ min: 1, max: 5000 })
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const hook = fc.record({ run: fc.constant('./hook.sh'), timeoutSeconds: seconds })

const anyConfig: fc.Arbitrary<Config> = fc
  .record({
    services: fc.array(
      fc.record({ replicas: fc.integer({ min: 1, max: 5 }), drainSeconds: seconds, smokes: fc.boolean() }),
      { minLength: 1, maxLength: names.length },
    ),
    weights: fc.uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 4 }),
    stageSeconds: seconds,
    blueGreen: fc.record({ monitorSeconds: seconds, approval: fc.boolean() }),
    rolling: fc.record({ monitorSeconds: seconds, minReadySeconds: seconds }),
    waits: fc.record({ readySeconds: seconds, proofSeconds: seconds, approvalSeconds: seconds }),
    keepSeconds: seconds,
    notify: maybe(fc.constant({ webhook: 'https://example.org/hook' })),
    hooks: fc.record(
      { before: hook, beforeTraffic: hook, afterSwitch: hook, afterRollback: hook },
      { requiredKeys: [] },
    ),
  })
  .map(({ services, weights, stageSeconds, notify, ...settings }) => {
    const written = services.map(({ replicas, drainSeconds, smokes }, index) => [
      names[index],
      { start: 'node .', path: `/${index}`, replicas, drainSeconds, smoke: smokes ? [{ request: 'GET /' }] : [] },
    ])
    const file = {
      name: 'shop',
      services: Object.fromEntries(written),
      environments: { production: { listen: 0 } },
      canary: { weights: [...weights.toSorted((a, b) => a - b), 100], stageSeconds },
      ...(notify && { notify }),
      ...settings,
    }
    return configOf(stringify(file))
  })

interface Case {
  readonly config: Config
  readonly wish: PlanWish
  readonly plan: Plan
}

const anyCase: fc.Arbitrary<Case> = anyConfig.chain((config) => {
  const all = config.services.map(({ name }) => name)
  const live = fc.record({ slot: fc.constantFrom('blue', 'green'), replicas: fc.integer({ min: 1, max: 6 }) })
  return fc
    .record({
      strategy: fc.constantFrom('blue-green', 'canary', 'rolling', 'rollback', 'rollback-in-place'),
      services: fc.subarray(all, { minLength: 1 }),
      live: fc.array(maybe(live), { minLength: all.length, maxLength: all.length }),
      slots: fc.constantFrom(['blue', 'green'], ['green', 'blue'], ['red', 'blue', 'green']),
    })
    .map(({ strategy, services, live, slots }) => {
      const stable: Record<ServiceName, Placement> = {}
      for (const [index, name] of all.entries()) {
        const found = live[index]
        if (found) stable[name] = { ...placementOf(config, name, 'v1', found.slot), replicas: found.replicas }
      }
      const wish: PlanWish = { strategy, version: 'v2', services, stable, slots }
      return { config, wish, plan: planOf(config, wish) }
    })
})

const inPlace = ({ from, to }: Plan['members'][number]) => from !== null && from.slot === to.slot
const ofService = (steps: readonly Step[], service: string) =>
  steps.filter((step) => 'service' in step && step.service === service)
const indexOf = (steps: readonly Step[], kind: Step['kind']) => steps.findIndex((step) => step.kind === kind)

/** Checks one thing of every plan. */
function ofEveryPlan(sentence: string, check: (one: Case) => void): void {
  test(`plan: ${sentence}`, () => {
    fc.assert(fc.property(anyCase, check))
  })
}

// --- the plan itself --------------------------------------------------------------------------------------------------

ofEveryPlan('the same input gives the same plan, and is not changed', ({ config, wish, plan }) => {
  const before = structuredClone({ config: { ...config }, wish })
  expect(planOf(config, wish)).toEqual(plan)
  expect({ config: { ...config }, wish }).toEqual(before)
})

ofEveryPlan('it survives the journal: nothing is lost as JSON', ({ plan }) => {
  expect(JSON.parse(JSON.stringify(plan))).toStrictEqual(plan)
})

ofEveryPlan('ids of steps are unique, forward and on the way back', ({ plan }) => {
  const lists = [plan.steps, ...walk(plan).map((state) => stepsBack(state, state.release!))]
  for (const steps of lists) expect(new Set(steps.map(({ id }) => id)).size).toBe(steps.length)
})

ofEveryPlan('each service that is asked for is a member, and no other', ({ wish, plan }) => {
  expect(plan.members.map(({ service }) => service)).toEqual(wish.services)
  for (const { service, from, to } of plan.members) {
    expect(from).toEqual(wish.stable![service] ?? null)
    expect(to.revision).toMatchObject({ service, version: 'v2' })
  }
})

ofEveryPlan('the new version gets another slot than the old one, unless it is replaced in place', ({ wish, plan }) => {
  const rolls = wish.strategy === 'rolling' || wish.strategy === 'rollback-in-place'
  for (const { from, to } of plan.members) {
    expect(wish.slots).toContain(to.slot)
    if (from) expect(from.slot === to.slot).toBe(rolls)
  }
})

const order: readonly Step['kind'][][] = [
  ['prepare'],
  ['apply'],
  ['check'],
  ['approve'],
  ['shift', 'analyse', 'roll'],
  ['flip'],
  ['drain'],
  ['retire'],
]

ofEveryPlan('the steps of a service come in their order, each service as a whole unless it is a rollback', (one) => {
  const { plan, wish } = one
  for (const { service } of plan.members) {
    const ranks = ofService(plan.steps, service).map(({ kind }) => order.findIndex((kinds) => kinds.includes(kind)))
    expect(ranks).toEqual(ranks.toSorted((a, b) => a - b))
    expect(ranks).not.toContain(-1)
  }
  if (wish.strategy === 'rollback' || wish.strategy === 'rollback-in-place') return
  const middle = plan.steps.filter(
    (step) => 'service' in step && step.kind !== 'prepare' && step.kind !== 'retire',
  ) as (Step & { service: string })[]
  const turns = middle.map(({ service }) => service).filter((service, index, list) => service !== list[index - 1])
  expect(turns).toEqual(plan.members.map(({ service }) => service))
})

ofEveryPlan('a rollback has all services ready before any traffic moves, and moves it all before any drain', (one) => {
  if (one.wish.strategy !== 'rollback') return
  const { steps } = one.plan
  const last = (kind: Step['kind']) => steps.findLastIndex((step) => step.kind === kind)
  expect(last('apply')).toBeLessThan(indexOf(steps, 'shift'))
  if (indexOf(steps, 'drain') >= 0) expect(last('shift')).toBeLessThan(indexOf(steps, 'drain'))
})

ofEveryPlan(
  'shares always add up to 100 over slots of the plan, and the new one only grows to all of it',
  ({ plan }) => {
    for (const { service, from, to } of plan.members) {
      const shifts = ofService(plan.steps, service).filter((step) => step.kind === 'shift')
      let before = 0
      for (const { shares } of shifts) {
        expect(Object.values(shares).reduce((sum, share) => sum + share, 0)).toBe(100)
        for (const slot of Object.keys(shares)) expect([from?.slot, to.slot]).toContain(slot)
        expect(shares[to.slot]).toBeGreaterThan(before)
        before = shares[to.slot]!
      }
      expect(before).toBe(inPlace({ service, from, to }) ? 0 : 100)
    }
  },
)

ofEveryPlan(
  'each exposure is judged before the roles change, unless there is nothing to judge by',
  ({ wish, plan }) => {
    for (const { service, from } of plan.members) {
      const steps = ofService(plan.steps, service)
      const exposures = steps.flatMap((step, index) => (step.kind === 'shift' || step.kind === 'roll' ? [index] : []))
      const judged = exposures.map((index) => steps[index + 1]?.kind === 'analyse')
      const isJudged = from !== null && wish.strategy !== 'rollback' && wish.strategy !== 'rollback-in-place'
      expect(judged).toEqual(exposures.map(() => isJudged))
      expect(steps.filter(({ kind }) => kind === 'flip')).toHaveLength(1)
    }
  },
)

ofEveryPlan('no step touches the slot that is stable at that moment, except a roll', ({ plan }) => {
  const stable = new Map(plan.members.map(({ service, from }) => [service, from?.slot ?? null]))
  for (const step of plan.steps) {
    switch (step.kind) {
      case 'apply':
        expect(step.placement.slot).not.toBe(stable.get(step.service))
        break
      case 'check':
      case 'drain':
      case 'retire':
        expect(step.slot).not.toBe(stable.get(step.service))
        break
      case 'flip':
        stable.set(step.service, step.stable.slot)
    }
  }
})

ofEveryPlan(
  'it ends released, then tells, keeps and retires the old slots, and nothing more',
  ({ wish, plan, config }) => {
    const end = plan.steps.slice(indexOf(plan.steps, 'mark'))
    const old = plan.members.filter((member) => member.from && !inPlace(member))
    const isRollback = wish.strategy === 'rollback' || wish.strategy === 'rollback-in-place'
    const settings = config.environments['production']!.settings
    expect(end[0]).toMatchObject({ kind: 'mark', outcome: 'released' })
    expect(end.slice(1).map(({ kind }) => kind)).toEqual([
      ...(settings.notify ? ['notify'] : []),
      ...(old.length > 0 && !isRollback ? ['keep'] : []),
      ...old.map(() => 'retire'),
    ])
    const retired = end.flatMap((step) => (step.kind === 'retire' ? [[step.service, step.slot]] : []))
    expect(retired).toEqual(old.map(({ service, from }) => [service, from!.slot]))
  },
)

ofEveryPlan('hooks run once each where they say, and never in a rollback', ({ wish, plan, config }) => {
  const { hooks } = config.environments['production']!.settings
  const isRollback = wish.strategy === 'rollback' || wish.strategy === 'rollback-in-place'
  const at = (name: string) =>
    plan.steps.flatMap((step, index) => (step.kind === 'hook' && step.name === name ? [index] : []))
  for (const name of ['before', 'beforeTraffic', 'afterSwitch'] as const) {
    expect(at(name)).toHaveLength(hooks[name] && !isRollback ? 1 : 0)
  }
  expect(at('afterRollback')).toEqual([])
  const firstTraffic = plan.steps.findIndex(({ kind }) => kind === 'shift' || kind === 'roll')
  for (const index of at('beforeTraffic')) expect(index).toBe(firstTraffic - 1)
  for (const index of at('before')) expect(index).toBe(plan.members.length)
  for (const index of at('afterSwitch')) expect(index).toBe(indexOf(plan.steps, 'mark') - 1)
})

ofEveryPlan('its longest time is the sum of what its steps may take, without waits for a person', ({ plan }) => {
  const times = plan.steps.slice(0, indexOf(plan.steps, 'mark')).map((step) => {
    if (step.kind === 'approve') return 0
    if ('withinMs' in step) return step.withinMs
    if ('monitorMs' in step) return step.monitorMs
    if ('drainMs' in step) return step.drainMs
    return step.kind === 'hook' ? step.hook.timeoutMs : 0
  })
  expect(plan.longestMs).toBe(times.reduce((sum, ms) => sum + ms, 0))
})

ofEveryPlan('the most replicas at a time are those of both versions, or one more in place', ({ plan }) => {
  for (const member of plan.members) {
    const { from, to, service } = member
    const both = (from?.replicas ?? 0) + to.replicas
    const rolled = Math.max(from?.replicas ?? 0, to.replicas) + 1
    expect(plan.peakReplicas[service]).toBe(inPlace(member) ? rolled : both)
  }
})

// --- the way back -----------------------------------------------------------------------------------------------------

/** What slots run and who gets the traffic: as much of the world as steps change. */
interface World {
  readonly runs: Map<string, string>
  readonly shares: Map<ServiceName, Shares>
  readonly stable: Map<ServiceName, Placement | null>
}

const place = (service: string, slot: string) => `${service} in ${slot}`

function worldBefore({ members }: Plan): World {
  const world: World = { runs: new Map(), shares: new Map(), stable: new Map() }
  for (const { service, from } of members) {
    world.stable.set(service, from)
    if (!from) continue
    world.runs.set(place(service, from.slot), from.revision.id)
    world.shares.set(service, { [from.slot]: 100 })
  }
  return world
}

function act({ runs, shares, stable }: World, step: Step): void {
  switch (step.kind) {
    case 'apply':
    case 'roll':
      runs.set(place(step.service, step.placement.slot), step.placement.revision.id)
      break
    case 'shift':
      for (const [slot, share] of Object.entries(step.shares)) {
        if (share > 0) expect(runs.has(place(step.service, slot)), `${slot} gets traffic and runs something`).toBe(true)
      }
      shares.set(step.service, step.shares)
      break
    case 'flip':
      stable.set(step.service, step.stable)
      break
    case 'retire':
      expect(step.slot, 'a stable slot is never retired').not.toBe(stable.get(step.service)?.slot)
      expect(shares.get(step.service)?.[step.slot] ?? 0, 'what has traffic is never retired').toBe(0)
      runs.delete(place(step.service, step.slot))
  }
}

/** The world after the steps of the plan that have been started, the last one too. */
function worldAt(plan: Plan, { release }: EnvironmentState): World {
  const { cursor, current } = release!
  const world = worldBefore(plan)
  for (const step of plan.steps.slice(0, cursor)) act(world, step)
  const begun = current && plan.steps[cursor]
  // A flip that has begun and not ended has changed nothing yet.
  if (begun && begun.kind !== 'flip') act(world, begun)
  return world
}

ofEveryPlan('from every point the way back ends with the old version stable and with all the traffic', ({ plan }) => {
  for (const state of walk(plan)) {
    const { release } = state
    const world = worldAt(plan, state)
    const touched = new Set(release!.touched)
    for (const step of stepsBack(state, release!)) act(world, step)
    for (const { service, from, to } of plan.members) {
      if (from === null) {
        // There is nothing before a first version: it is ended, or stays when it has traffic.
        const exposed = release!.exposed[service] !== undefined
        expect(world.runs.has(place(service, to.slot))).toBe(exposed)
        expect(world.stable.get(service)?.revision.id ?? null).toBe(exposed ? to.revision.id : null)
        continue
      }
      expect(world.stable.get(service)).toEqual(from)
      expect(world.shares.get(service)).toEqual({ [from.slot]: 100 })
      expect(world.runs.get(place(service, from.slot))).toBe(from.revision.id)
      if (touched.has(service) && !inPlace({ service, from, to })) {
        expect(world.runs.has(place(service, to.slot))).toBe(false)
      }
    }
  }
})

ofEveryPlan(
  'the way back moves the traffic of all before it drains or ends anything, and ends with its outcome',
  (one) => {
    for (const state of walk(one.plan)) {
      const steps = stepsBack(state, state.release!)
      const moves = steps.findLastIndex(({ kind }) => kind === 'shift' || kind === 'roll' || kind === 'apply')
      const ends = steps.findIndex(({ kind }) => kind === 'drain' || kind === 'retire')
      if (moves >= 0 && ends >= 0) expect(moves).toBeLessThan(ends)
      const exposed = Object.keys(state.release!.exposed).length > 0
      const mark = steps.find(({ kind }) => kind === 'mark')
      expect(mark).toMatchObject({ outcome: exposed ? 'rolled-back' : 'failed' })
      const hooks = steps.filter(({ kind }) => kind === 'hook')
      expect(hooks).toHaveLength(exposed && one.plan.back.hook ? 1 : 0)
    }
  },
)
