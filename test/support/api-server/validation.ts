// The defaults that the server fills in and the rules it holds objects to, as far as releases meet them.
import { invalid } from './answers.ts'
import type { Kind } from './kinds.ts'
import type { Stored } from './objects.ts'
import { labelMatcher } from './selectors.ts'

const NAME = /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/
const DATA_KEY = /^[-._a-zA-Z0-9]{1,253}$/
const LARGEST_BYTES = 1_048_576

export function withDefaults(object: Stored): Stored {
  const spec = object['spec']
  switch (object.kind) {
    case 'Deployment': {
      const strategy = spec?.strategy ?? { type: 'RollingUpdate' }
      const rolling = { maxSurge: '25%', maxUnavailable: '25%', ...strategy.rollingUpdate }
      const filled = strategy.type === 'Recreate' ? strategy : { type: 'RollingUpdate', rollingUpdate: rolling }
      const defaults = { replicas: 1, progressDeadlineSeconds: 600, revisionHistoryLimit: 10 }
      return { ...object, spec: { ...defaults, ...spec, strategy: filled } }
    }
    case 'Service': {
      const ports = spec?.ports?.map((port: { port: number }) => ({ protocol: 'TCP', targetPort: port.port, ...port }))
      const defaults = { type: 'ClusterIP', clusterIP: '10.0.0.1', sessionAffinity: 'None' }
      return { ...object, spec: { ...defaults, ...spec, ...(ports && { ports }) } }
    }
    case 'Namespace':
      return { ...object, status: { phase: 'Active' } }
    default:
      return object
  }
}

/** @throws Refusal 422 */
export function refuseInvalid(kind: Kind, object: Stored, before: Stored | null): void {
  const { name } = object.metadata
  if (!name || !NAME.test(name)) {
    throw invalid(
      kind,
      name ?? '',
      `metadata.name: Invalid value: "${name ?? ''}": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character`,
    )
  }
  if (kind.kind === 'ConfigMap' || kind.kind === 'Secret') refuseInvalidData(kind, object)
  if (kind.kind === 'Deployment') refuseInvalidDeployment(kind, object, before)
}

function refuseInvalidData(kind: Kind, object: Stored): void {
  const { name } = object.metadata
  const data: Record<string, unknown> = object['data'] ?? {}
  for (const [key, value] of Object.entries(data)) {
    if (!DATA_KEY.test(key))
      throw invalid(
        kind,
        name,
        `data[${key}]: Invalid value: "${key}": a valid config key must consist of alphanumeric characters, '-', '_' or '.'`,
      )
    if (typeof value !== 'string') throw invalid(kind, name, `data[${key}]: it must be a text`)
  }
  const bytes = Object.entries(data).reduce((sum, [, value]) => sum + Buffer.byteLength(String(value)), 0)
  if (bytes > LARGEST_BYTES) throw invalid(kind, name, `[]: Too long: may not be more than ${LARGEST_BYTES} bytes`)
}

function refuseInvalidDeployment(kind: Kind, object: Stored, before: Stored | null): void {
  const { name } = object.metadata
  const { selector, template } = object['spec']
  const text = (labels: Record<string, string>) =>
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(',')
  const labels = selector?.matchLabels
  if (!labels || !labelMatcher(text(labels))({ metadata: template.metadata ?? {} } as Stored)) {
    throw invalid(
      kind,
      name,
      'spec.template.metadata.labels: Invalid value: `selector` does not match template `labels`',
    )
  }
  if (before && JSON.stringify(before['spec'].selector) !== JSON.stringify(selector)) {
    throw invalid(kind, name, 'spec.selector: Invalid value: field is immutable')
  }
}
