// A freeze by hand keeps new releases from starting, and nothing else.
import { expect, test } from 'vitest'
import { admit } from '../../src/engine/admission.ts'
import { onCommand } from '../../src/engine/commands.ts'
import { evolve } from '../../src/engine/evolve.ts'
import type { Command, RecordBody } from '../../src/engine/record.ts'
import { RECORD_VERSION, recordVersion } from '../../src/engine/record.ts'
import type { EnvironmentState } from '../../src/engine/state.ts'
import { SAMPLE_AT, samplePlan, sampleStates } from '../../tools/docs/sample-states.ts'

const samples = sampleStates()
const sampleOf = (title: string) => samples.find((sample) => sample.title === title)!.state
const live = sampleOf('v2 is live, v1 before it (its slot is empty)')
const NOON = '2026-01-06T12:00:00.000Z'
const actor = { kind: 'person', name: 'ana' } as const

function after(state: EnvironmentState, body: RecordBody): EnvironmentState {
  return evolve(state, {
    version: recordVersion(body),
    seq: state.seq + 1,
    at: SAMPLE_AT,
    epoch: state.epoch,
    environment: 'production',
    release: null,
    reason: '',
    actor,
    body,
  })
}

function given(state: EnvironmentState, command: Command, at: string) {
  const decisions = onCommand(state, { commandId: state.lastCommandId + 1, actor, command, at })
  return { kinds: decisions.map(({ body }) => body.kind), reason: decisions[0]!.reason }
}

const deploy = (state: EnvironmentState): Command => {
  return { verb: 'deploy', plan: samplePlan(state, 'v4', 'canary'), supersede: true, again: true }
}
const locked = after(live, { kind: 'locked', reason: 'migration', until: NOON })

test('a locked environment refuses a deploy, and says who locked it, why and until when', () => {
  expect(given(locked, deploy(locked), '2026-01-06T11:59:59.999Z')).toEqual({
    kinds: ['commanded'],
    reason:
      'locked by ana since 2026-01-06T10:00:00Z until 2026-01-06T12:00:00Z: migration; next: moodify unlock, when you are sure',
  })
})

test('what counts is when the command was given, to the millisecond', () => {
  expect(given(locked, deploy(locked), NOON).kinds).toEqual(['commanded', 'releaseStarted'])
})

test('without an end it holds until somebody unlocks it', () => {
  const forever = after(live, { kind: 'locked', reason: null, until: null })
  expect(given(forever, deploy(forever), '2126-01-01T00:00:00.000Z').kinds).toEqual(['commanded'])
  const unlocked = after(forever, { kind: 'unlocked' })
  expect(given(unlocked, deploy(unlocked), SAMPLE_AT).kinds).toEqual(['commanded', 'releaseStarted'])
})

test('a lock replaces the one before, and unlocking what is not locked is refused', () => {
  const longer: Command = { verb: 'lock', reason: null, until: null }
  expect(given(locked, longer, SAMPLE_AT).kinds).toEqual(['commanded', 'locked'])
  expect(given(locked, { verb: 'unlock' }, SAMPLE_AT).kinds).toEqual(['commanded', 'unlocked'])
  expect(admit(live, { verb: 'unlock' }, SAMPLE_AT)).toMatchObject({ allowed: false })
})

test('in every state, no lock changes the answer to any verb but those that start a release', () => {
  const others: readonly Command[] = [
    { verb: 'abort' },
    { verb: 'promote' },
    { verb: 'pause' },
    { verb: 'continue' },
    { verb: 'resolve', hook: 'before', as: 'done' },
  ]
  for (const { state, title } of samples) {
    const frozen = after(state, { kind: 'locked', reason: null, until: null })
    const plan = samplePlan(state, 'v1', 'rollback')
    const back = (['undo', 'version', 'canary', 'rolling', 'blue-green'] as const).map((to): Command => {
      return { verb: 'rollback', to, plan }
    })
    for (const command of [...others, ...back]) {
      expect(admit(frozen, command, SAMPLE_AT), `${command.verb}: ${title}`).toEqual(admit(state, command, SAMPLE_AT))
    }
    expect(admit(frozen, deploy(state), SAMPLE_AT), title).toMatchObject({ allowed: false })
  }
})

test('only a journal with a lock in it asks for a newer moodify', () => {
  expect(recordVersion({ kind: 'locked', reason: null, until: null })).toBe(RECORD_VERSION)
  expect(recordVersion({ kind: 'unlocked' })).toBe(RECORD_VERSION)
  expect(recordVersion({ kind: 'paused' })).toBe(1)
})
