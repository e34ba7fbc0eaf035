import { admit, phaseMeaning } from '../../src/engine/admission.ts'
import type { Command } from '../../src/engine/record.ts'
import type { EnvironmentState } from '../../src/engine/state.ts'
import { SAMPLE_AT, type Sample, samplePlan, sampleStates } from './sample-states.ts'

const verbs: Readonly<Record<string, (state: EnvironmentState) => Command>> = {
  'deploy -v v4': (state) => ({
    verb: 'deploy',
    plan: samplePlan(state, 'v4', 'canary'),
    supersede: false,
    again: false,
  }),
  'deploy -v v4 --supersede': (state) => ({
    verb: 'deploy',
    plan: samplePlan(state, 'v4', 'canary'),
    supersede: true,
    again: false,
  }),
  promote: () => ({ verb: 'promote' }),
  pause: () => ({ verb: 'pause' }),
  continue: () => ({ verb: 'continue' }),
  abort: () => ({ verb: 'abort' }),
  retry: () => ({ verb: 'retry', plan: null }),
  'rollback (-t undo)': (state) => ({ verb: 'rollback', to: 'undo', plan: undoPlan(state) }),
  'rollback -t blue-green': (state) => ({ verb: 'rollback', to: 'blue-green', plan: undoPlan(state) }),
  'rollback -t canary': (state) => ({ verb: 'rollback', to: 'canary', plan: undoPlan(state) }),
  'rollback -t rolling': (state) => ({ verb: 'rollback', to: 'rolling', plan: undoPlan(state) }),
  'rollback -t version -v v0': (state) => ({
    verb: 'rollback',
    to: 'version',
    plan: samplePlan(state, 'v0', 'rollback'),
  }),
  lock: () => ({ verb: 'lock', reason: 'migration', until: null }),
  unlock: () => ({ verb: 'unlock' }),
  'resume --done before': () => ({ verb: 'resolve', hook: 'before', as: 'done' }),
}

function undoPlan(state: EnvironmentState) {
  const previous = state.services['backend']?.previous
  return previous ? samplePlan(state, previous.revision.version, 'rollback') : null
}

export function verbTable(): string {
  const samples = sampleStates()
  return `# What each verb does in each state

Generated from \`src/engine/admission.ts\`, which also decides it. Each section is one state of an environment; \`no\` is a
refusal with exit code 4 that changes nothing, with its reason and the command to type instead.

What the targets of \`rollback\` mean:

| Target | When a release runs | When none runs |
| --- | --- | --- |
| \`undo\` (default) | takes that release back, also in its keep time | goes to the version that the last release replaced; if its slot is empty, it is started first. Never to a version that was taken back, so typing it twice does no harm |
| \`blue-green\` | the same, if it is a blue-green release | as \`undo\`: the version before, by a switch of slots |
| \`canary\` | the same, if it is a canary | refused: no canary runs |
| \`rolling\` | the same, if it is a rolling release | the version before, its replicas put in place one by one |
| \`version -v V\` | takes the release back; if V is another version than the stable one, goes to V then | goes to V: the revision that ran under that name, else made anew; also one that was taken back |

${samples.map(section).join('\n')}`
}

function section({ phase, title, state }: Sample): string {
  const rows = Object.entries(verbs).map(([name, command]) => {
    const answer = admit(state, command(state), SAMPLE_AT)
    return answer.allowed
      ? `| \`${name}\` | ${answer.will} |`
      : `| \`${name}\` | **no**: ${answer.because}. Instead: \`${answer.next}\` |`
  })
  return `## ${title}\n\nState \`${phase}\`: ${phaseMeaning[phase]}.\n\n| Verb | What happens |\n| --- | --- |\n${rows.join('\n')}\n`
}
