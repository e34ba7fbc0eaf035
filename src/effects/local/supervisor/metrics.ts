// One page of metrics for Prometheus: what the supervisor sees of replicas, what the runners have counted, and what the
// fronts say of themselves. Text format 0.0.4.
import { readIfExists } from '../durable.ts'
import type { SupervisorSnapshot } from '../protocol.ts'

/** What one environment adds. */
export interface EnvironmentMetrics {
  readonly environment: string
  readonly seen: SupervisorSnapshot['environments'][string]
  /** File in which its runners count. */
  readonly runnerFile: string
  /** Text of its front; null when that does not answer. */
  readonly front: string | null
}

interface Family {
  readonly type: string
  readonly help: string
  readonly lines: string[]
}

const runnerFamilies: Readonly<Record<string, string>> = {
  releases_total: 'Releases that have ended.',
  decisions_total: 'Records in the journal, by kind.',
  verdicts_total: 'Verdicts that a decision rests on.',
  commands_total: 'Commands that people and pipelines have given.',
  runner_ticks_total: 'Looks of runners at the platform.',
  runner_starts_total: 'Runners that have taken over.',
}

export function metricsPage(version: string, environments: readonly EnvironmentMetrics[]): string {
  const families = new Map<string, Family>()
  const add = (name: string, type: string, help: string, line: string) => {
    const family = families.get(name) ?? { type, help, lines: [] }
    families.set(name, family)
    family.lines.push(line)
  }
  const gauge = (name: string, help: string, labels: Readonly<Record<string, string>>, value: number) =>
    add(name, 'gauge', help, `${name}${labelText(labels)} ${value}`)

  gauge('moodify_info', 'The supervisor that serves this page.', { version }, 1)
  for (const { environment, seen, runnerFile, front } of environments) {
    gauge('moodify_front_up', 'Whether the front answers.', { environment }, front === null ? 0 : 1)
    gauge(
      'moodify_runner_up',
      'Whether a runner lives; it needs to only while a release is under way.',
      { environment },
      seen.runner.pid === null ? 0 : 1,
    )
    for (const [service, { slots }] of Object.entries(seen.services)) {
      for (const [slot, { desiredReplicas, replicas }] of Object.entries(slots)) {
        const labels = { environment, service, slot }
        const sum = (value: (replica: (typeof replicas)[number]) => number) =>
          replicas.reduce((total, replica) => total + value(replica), 0)
        gauge('moodify_replicas_desired', 'Replicas that a slot is to have.', labels, desiredReplicas)
        gauge(
          'moodify_replicas_ready',
          'Replicas that are ready.',
          labels,
          sum(({ ready }) => Number(ready)),
        )
        gauge(
          'moodify_replicas_crash_looping',
          'Replicas that keep exiting.',
          labels,
          sum(({ crashLooping }) => Number(crashLooping)),
        )
        gauge(
          'moodify_replica_restarts',
          'Restarts of the replicas of now.',
          labels,
          sum(({ restarts }) => restarts),
        )
      }
    }
    for (const [series, value] of Object.entries(countersIn(runnerFile))) {
      const name = /^\w+/.exec(series)?.[0] ?? ''
      const help = runnerFamilies[name]
      if (help) add(`moodify_${name}`, 'counter', help, inEnvironment(`moodify_${series} ${value}`, environment))
    }
    addText(front ?? '', (name, type, help, line) => add(name, type, help, inEnvironment(line, environment)))
  }
  return [...families]
    .map(([name, { type, help, lines }]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('\n')}\n`)
    .join('')
}

/** Lines of another page under their own heads, so that each metric has one head on this page. */
function addText(text: string, add: (name: string, type: string, help: string, line: string) => void): void {
  let head = { name: '', help: '', type: '' }
  for (const line of text.split('\n')) {
    const [, what, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    if (what === 'HELP') head = { name, help: rest, type: '' }
    else if (what === 'TYPE') head = { ...head, type: rest }
    else if (line !== '') add(head.name, head.type, head.help, line)
  }
}

/** The same sample with the name of its environment as a label. */
function inEnvironment(line: string, environment: string): string {
  const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
  return `${name}{${[`environment="${environment}"`, ...(labels === '' ? [] : [labels])].join(',')}} ${value}`
}

function countersIn(file: string): Readonly<Record<string, number>> {
  try {
    return JSON.parse(readIfExists(file) ?? '{}')
  } catch {
    return {}
  }
}

function labelText(labels: Readonly<Record<string, string>>): string {
  return `{${Object.entries(labels)
    .map(([label, value]) => `${label}=${JSON.stringify(value)}`)
    .join(',')}}`
}
