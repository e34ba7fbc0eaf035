// Random releases: several versions that are good or bad in any way, commands at any time, outages, and runners that
// die at any point, all on the fake platform and virtual time. What stands in the journal afterwards is what a real
// one could hold.
import fc from 'fast-check'
import type { Behaviour } from '../../src/effects/fakes/platform.ts'
import type { Command, JournalRecord, RollbackTarget } from '../../src/engine/record.ts'
import type { PlanRequest } from '../../src/plan/planner.ts'
import { fakeEnvironment, Killed } from '../support/fake-environment.ts'

export interface Scenario {
  readonly config: string
  readonly behaviours: Readonly<Record<string, Behaviour>>
  readonly requestsPerSecond: number
  readonly hooks: Readonly<Record<string, number>>
  readonly events: readonly Event[]
}

interface Event {
  readonly afterMs: number
  readonly action: Action
}

type Action =
  | { readonly kind: 'deploy'; readonly version: string; readonly strategy: Strategy; readonly supersede: boolean }
  | { readonly kind: 'rollback'; readonly to: RollbackTarget; readonly version: string }
  | { readonly kind: 'command'; readonly command: Command }
  /** Somebody types what the release says it waits for. */
  | { readonly kind: 'obey' }
  /** The runner dies at a probe point: the so manieth from now on, or the next one whose name holds this. */
  | { readonly kind: 'kill'; readonly point: number | string }
  | { readonly kind: 'outage'; readonly what: 'blind' | 'silent' | 'deaf' | 'mute'; readonly lasts: boolean }
type Strategy = PlanRequest['strategy']

const versions = ['v1', 'v2', 'v3', 'v4'] as const

// --- scenarios -----------------------------------------------------------------------------------------------------------

const behaviour: fc.Arbitrary<Behaviour> = fc.oneof(
  { weight: 5, arbitrary: fc.constant({}) },
  {
    weight: 4,
    arbitrary: fc.constantFrom<Behaviour>(
      { failureShare: 0.3 },
      { latencyMs: 6000 },
      { crashes: true },
      { neverReady: true },
      { buildFails: true },
      { smokeFails: true },
    ),
  },
)

const command: fc.Arbitrary<Action> = fc
  .constantFrom<Command>(
    { verb: 'promote' },
    { verb: 'promote' },
    { verb: 'pause' },
    { verb: 'continue' },
    { verb: 'continue' },
    { verb: 'abort' },
    { verb: 'retry', plan: null },
    { verb: 'resolve', hook: 'before', as: 'done' },
    { verb: 'resolve', hook: 'beforeTraffic', as: 'redo' },
    { verb: 'resolve', hook: 'afterRollback', as: 'done' },
  )
  .map((command) => ({ kind: 'command', command }))

const version = fc.constantFrom(...versions)
const strategy = fc.constantFrom<Strategy>('canary', 'canary', 'blue-green', 'rolling')

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('deploy'), version, strategy, supersede: fc.boolean() }) },
  { weight: 4, arbitrary: command },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('rollback'),
      to: fc.constantFrom<RollbackTarget>('undo', 'version', 'canary', 'rolling', 'blue-green'),
      version,
    }),
  },
  { weight: 4, arbitrary: fc.constant<Action>({ kind: 'obey' }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('kill'),
      point: fc.oneof(
        fc.integer({ min: 1, max: 30 }),
        fc.constantFrom('before effect runHook', 'after effect runHook', 'before append turnedBack', 'effect retire'),
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('outage'),
      what: fc.constantFrom('blind', 'silent', 'deaf', 'mute'),
      lasts: fc.boolean(),
    }),
  },
)

const hook = fc.record({ run: fc.constant('./hook.sh'), onUnknown: fc.constantFrom('ask', 'retry') })

/** Short times, so that much happens in little of it. JSON is YAML too. */
const config = fc
  .record({
    services: fc.constantFrom(['backend'], ['backend'], ['backend', 'frontend']),
    hooks: fc.record({ before: hook, beforeTraffic: hook, afterRollback: hook }, { requiredKeys: [] }),
    notifies: fc.boolean(),
    approval: fc.boolean(),
    onUnknown: fc.constantFrom('hold', 'rollback'),
    onNoTraffic: fc.constantFrom('hold', 'advance-on-health'),
  })
  .map(({ services, hooks, notifies, approval, onUnknown, onNoTraffic }) => {
    const written = services.map((name) => [
      name,
      { start: 'node .', path: `/${name}`, replicas: 2, smoke: [{ request: 'GET /' }], drainSeconds: 2 },
    ])
    return JSON.stringify({
      name: 'shop',
      services: Object.fromEntries(written),
      environments: { production: { listen: 0 } },
      canary: { weights: [10, 100], stageSeconds: 8 },
      blueGreen: { monitorSeconds: 8, approval },
      rolling: { monitorSeconds: 8, minReadySeconds: 1 },
      triggers: { minRequests: 20, minBad: 3, windowSeconds: 5 },
      waits: { readySeconds: 15, proofSeconds: 5, approvalSeconds: 20, unknownSeconds: 15, onUnknown, onNoTraffic },
      keepSeconds: 10,
      hooks,
      ...(notifies && { notify: { webhook: 'https://example.org/hook' } }),
    })
  })

export const anyScenario: fc.Arbitrary<Scenario> = fc.record({
  config,
  behaviours: fc.record({ v1: fc.constant({}), v2: behaviour, v3: behaviour, v4: behaviour }),
  requestsPerSecond: fc.constantFrom(0, 30, 100),
  hooks: fc.record({ before: fc.constantFrom(0, 0, 0, 1), beforeTraffic: fc.constantFrom(0, 0, 1) }),
  events: fc
    .array(fc.record({ afterMs: fc.oneof(fc.nat(3000), fc.nat(30_000)), action }), { minLength: 2, maxLength: 14 })
    .map((events) => [
      { afterMs: 0, action: { kind: 'deploy', version: 'v1', strategy: 'canary', supersede: false } as const },
      ...events,
    ]),
})

// --- playing one ---------------------------------------------------------------------------------------------------------

/** After the last event all outages end, and somebody types what the release asks for until it comes to rest. */
const calm: readonly Event[] = [
  ...(['blind', 'silent', 'deaf', 'mute'] as const).map((what): Event => {
    return { afterMs: 0, action: { kind: 'outage', what, lasts: false } }
  }),
  ...Array.from({ length: 20 }, (): Event => ({ afterMs: 10_000, action: { kind: 'obey' } })),
]

/** Everything that stands in the journal in the end. */
export async function play({ config, events, ...world }: Scenario): Promise<readonly JournalRecord[]> {
  const environment = fakeEnvironment({ config, ...world })
  const { clock, platform, notifier, journal } = environment
  let deadly: number | string | null = null
  let dueMs = 0
  const pending = [...events, ...calm].map(({ afterMs, action }) => {
    dueMs += afterMs
    return { dueMs, action }
  })
  const endMs = dueMs + 10_000

  async function act(action: Action): Promise<void> {
    switch (action.kind) {
      case 'deploy': {
        const { version, strategy, supersede } = action
        return void (await environment.deploy(version, strategy, { supersede, again: true }))
      }
      case 'rollback': {
        const strategy = action.to === 'rolling' ? 'rollback-in-place' : 'rollback'
        const plan = await environment.planFor(action.version, strategy)
        return void (await environment.post({ verb: 'rollback', to: action.to, plan }))
      }
      case 'command':
        return void (await environment.post(action.command))
      case 'obey': {
        const [command] = commandsIn((await environment.state()).release?.wait?.next ?? '')
        if (command) await environment.post(command)
        break
      }
      case 'kill':
        deadly = action.point
        break
      case 'outage':
        if (action.what === 'mute') notifier.refuses = action.lasts
        else platform[action.what] = action.lasts
    }
  }

  async function actWhatIsDue(): Promise<void> {
    while (pending[0] && pending[0].dueMs <= clock.monotonicMs()) await act(pending.shift()!.action)
  }

  const probe = (point: string) => {
    if (typeof deadly === 'number') deadly--
    const dies = typeof deadly === 'string' ? point.includes(deadly) : deadly === 0
    if (!dies) return
    deadly = null
    throw new Killed()
  }
  const stop = new AbortController()
  const runnersClock = {
    ...clock,
    async sleep(ms: number, signal?: AbortSignal) {
      await clock.sleep(ms, signal)
      await actWhatIsDue()
      if (clock.monotonicMs() >= endMs) stop.abort()
    },
  }
  await actWhatIsDue()
  while (clock.monotonicMs() < endMs) {
    const end = await environment.run({ clock: runnersClock, probe, signal: stop.signal }).catch((error) => {
      if (error instanceof Killed) return 'killed'
      throw error
    })
    if (end !== 'idle') continue
    clock.advance(Math.max(0, (pending[0]?.dueMs ?? endMs) - clock.monotonicMs()))
    await actWhatIsDue()
  }
  return journal.read()
}

const alwaysTaken = /^moodify (status|doctor|logs)\b/

/** The commands in a hint. `moodify promote, or moodify abort` holds two; looking is always possible and left out. */
export function commandsIn(next: string): Command[] {
  const texts = next.split(/,? or (?=moodify)/).filter((text) => text !== '' && !alwaysTaken.test(text))
  return texts.map((text): Command => {
    const verb = /^moodify (abort|promote|continue|rollback|retry)\b/.exec(text)?.[1]
    if (verb === 'rollback') return { verb, to: 'undo', plan: null }
    if (verb === 'retry') return { verb, plan: null }
    if (verb) return { verb: verb as 'abort' | 'promote' | 'continue' }
    const resume = /^moodify resume --(done|redo) (\w+)$/.exec(text)
    if (resume) return { verb: 'resolve', as: resume[1] as 'done' | 'redo', hook: resume[2]! }
    throw new Error(`no command is known as: ${text}`)
  })
}
