// Whom the network policies let in and out, reckoned from the files: the test cluster does not enforce any.
import { BlockList } from 'node:net'
import { describe, expect, test } from 'vitest'
import { at, objectsOf, variables } from './assets.ts'

interface Peer {
  /** Namespace of a pod; none is an address outside of the cluster's pods. */
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly address: string
}

type Direction = 'Ingress' | 'Egress'
type Labels = Readonly<Record<string, string>>

interface Selector {
  readonly matchLabels?: Labels
  readonly matchExpressions?: readonly { key: string; operator: 'In' | 'Exists'; values?: readonly string[] }[]
}

const own = variables.NAMESPACE
const policies = objectsOf('common/network-policies.yaml')
const pod = (app: string, more: Labels = {}): Peer => ({
  namespace: own,
  labels: { app, ...more },
  address: '10.1.0.1',
})
const podIn = (namespace: string): Peer => ({ namespace, labels: {}, address: '10.1.0.2' })

const backend = pod('backend')
const frontend = pod('frontend')

function selects({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key]
      return value !== undefined && (operator === 'Exists' || values.includes(value))
    })
  )
}

/** Kubernetes adds what all policies allow; a pod that no policy selects is open. */
function isAllowed(direction: Direction, subject: Peer, other: Peer, port: number, protocol = 'TCP'): boolean {
  const applying = policies.filter(
    (policy) =>
      at(policy, 'spec.policyTypes').includes(direction) &&
      selects(at(policy, 'spec.podSelector'), subject.labels ?? {}),
  )
  const rules = applying.flatMap((policy) => at(policy, `spec.${direction.toLowerCase()}`) ?? [])
  const peersOf = (rule: object) => at(rule, direction === 'Ingress' ? 'from' : 'to') as readonly object[]
  const isPort = (rule: object) =>
    at(rule, 'ports').some(
      (each: { port: number; protocol: string }) => each.port === port && each.protocol === protocol,
    )
  return (
    applying.length === 0 || rules.some((rule) => isPort(rule) && peersOf(rule).some((peer) => isPeer(peer, other)))
  )
}

function isPeer(peer: object, { namespace, labels = {}, address }: Peer): boolean {
  const block = at(peer, 'ipBlock.cidr')
  if (block !== undefined) {
    const [network, bits] = block.split('/')
    const list = new BlockList()
    list.addSubnet(network, Number(bits))
    return list.check(address)
  }
  if (namespace === undefined) return false
  const namespaceSelector = at(peer, 'namespaceSelector')
  const isThere = namespaceSelector
    ? selects(namespaceSelector, { 'kubernetes.io/metadata.name': namespace })
    : namespace === own
  return isThere && selects(at(peer, 'podSelector') ?? {}, labels)
}

describe('into the backend', () => {
  test.each([
    ['a gateway of Istio', podIn('istio-ingress')],
    ['NGINX', podIn('ingress-nginx')],
    [
      'a gateway beside its Gateway object',
      pod('gateway', { 'gateway.networking.k8s.io/gateway-name': 'moodify-gateway' }),
    ],
    ['Prometheus', podIn('monitoring')],
    ['the page', frontend],
    ['the API server', { address: '10.0.0.1' }],
  ])('%s may come', (_, from) => expect(isAllowed('Ingress', backend, from, 8000)).toBe(true))

  test('nobody from outside may come but through a gateway', () =>
    expect(isAllowed('Ingress', backend, { address: '203.0.113.7' }, 8000)).toBe(false))

  test('nobody may come to another port', () =>
    expect(isAllowed('Ingress', backend, podIn('ingress-nginx'), 9229)).toBe(false))
})

describe('out of the backend', () => {
  test('names may be looked up', () => {
    for (const protocol of ['UDP', 'TCP'])
      expect(isAllowed('Egress', backend, podIn('kube-system'), 53, protocol)).toBe(true)
  })

  test('services outside and the collector of logs may be called, on their ports', () => {
    expect(isAllowed('Egress', backend, { address: '203.0.113.7' }, 443)).toBe(true)
    expect(isAllowed('Egress', backend, podIn('logging'), 24_224)).toBe(true)
    expect(isAllowed('Egress', backend, { address: '203.0.113.7' }, 25)).toBe(false)
  })
})

test('the page may call the backend, and nobody calls the page but gateways', () => {
  expect(isAllowed('Egress', frontend, backend, 8000)).toBe(true)
  expect(isAllowed('Ingress', frontend, podIn('traefik'), 8000)).toBe(true)
  expect(isAllowed('Ingress', frontend, podIn('another-team'), 8000)).toBe(false)
})

test('a pod that nothing is written for reaches nobody and is reached by nobody', () => {
  const stranger = pod('miner')
  expect(isAllowed('Egress', stranger, { address: '203.0.113.7' }, 443)).toBe(false)
  expect(isAllowed('Ingress', stranger, podIn('ingress-nginx'), 8000)).toBe(false)
})

test('the runner inside the cluster reaches the API server', () => {
  const runner: Peer = { namespace: own, labels: { 'app.kubernetes.io/name': 'moodify-runner' }, address: '10.1.0.9' }
  expect(isAllowed('Egress', runner, { address: '10.0.0.1' }, 6443)).toBe(true)
})
