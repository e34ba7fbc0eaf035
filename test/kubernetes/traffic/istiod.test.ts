import { expect, test } from 'vitest'
import { ApiError } from '../../../src/effects/kubernetes/api.ts'
import { istiodComplaints, rejectedBy, rejectsIn } from '../../../src/effects/kubernetes/traffic/istiod.ts'
import { memoryApi } from './memory-api.ts'

const accepted = '[{"proxy":"gateway.ingress","resources":{"RouteConfiguration":{"sent":"a","acked":"a"}}}]'
const rejected = accepted.replace('"acked":"a"', '"acked":"","lastError":"Proto constraint validation failed\\n"')

test('the first proxy that refused its routes, in its own words', () => {
  expect(rejectedBy(accepted)).toBe(null)
  expect(rejectedBy(rejected)).toEqual({ proxy: 'gateway.ingress', error: 'Proto constraint validation failed' })
  expect(rejectedBy('404 page not found')).toBe(null)
})

test('rejects are counted for routes and listeners', () => {
  const page = ['pilot_total_xds_rejects{type="rds"} 3', 'pilot_total_xds_rejects{type="eds"} 9', 'pilot_xds_pushes 4']
  expect(rejectsIn(page.join('\n'))).toBe(3)
})

test('istiod is asked through the API server; without it, or without the right, it is said where to look', async () => {
  const api = memoryApi()
  expect(await istiodComplaints(api)).toContain('no pod of istiod')
  const metadata = { name: 'istiod-1', namespace: 'istio-system', labels: { app: 'istiod' } }
  api.put('pods', { apiVersion: 'v1', kind: 'Pod', metadata })
  const asked: string[] = []
  const answering = {
    ...api,
    request: async (path: string) => {
      asked.push(path)
      return { status: path.endsWith('/debug/syncz') ? 200 : 401, headers: {}, body: rejected }
    },
  }
  expect(await istiodComplaints(answering)).toBe(
    'gateway.ingress has rejected what istiod sent: Proto constraint validation failed',
  )
  expect(asked[0]).toBe('/api/v1/namespaces/istio-system/pods/istiod-1:15014/proxy/debug/syncz')
  expect(await istiodComplaints(api)).toContain('istiod does not answer')
  const forbidden = { ...api, list: () => Promise.reject(new ApiError(403, 'Forbidden', 'no')) }
  expect(await istiodComplaints(forbidden)).toContain('kubectl -n istio-system logs deploy/istiod')
})
