import { expect, test } from 'vitest'
import { resourceOf } from '../../src/effects/kubernetes/kinds.ts'

test.each([
  ['Deployment', 'deployments'],
  ['Ingress', 'ingresses'],
  ['NetworkPolicy', 'networkpolicies'],
  ['ServiceEntry', 'serviceentries'],
  ['Gateway', 'gateways'],
  ['HorizontalPodAutoscaler', 'horizontalpodautoscalers'],
  ['PeerAuthentication', 'peerauthentications'],
  ['Endpoints', 'endpoints'],
])('%s objects are %s', (kind, plural) => {
  const object = { apiVersion: 'v1', kind, metadata: { name: 'a', namespace: 'b' } }
  expect(resourceOf(object)).toEqual({ apiVersion: 'v1', plural, namespace: 'b' })
})

test('an object without a namespace is cluster-wide', () =>
  expect(resourceOf({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a' } })).toEqual({
    apiVersion: 'v1',
    plural: 'namespaces',
  }))
