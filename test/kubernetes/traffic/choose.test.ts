import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { choosePlane } from '../../../src/effects/kubernetes/traffic/choose.ts'
import { frontsOfHttpRoute, frontsOfVirtualService } from '../../../src/effects/kubernetes/traffic/fronts.ts'
import { canaryIngressObject, colours, httpRouteObject, shop, slice, virtualServiceObject } from './objects.ts'

const accepted = () => ({
  ...httpRouteObject(),
  status: { parents: [{ conditions: [{ type: 'Accepted', status: 'True', observedGeneration: 3 }] }] },
})

describe('which plane a service goes by', () => {
  test('without any route it is the Service, all at once or by its pods', async () => {
    const options = shop()
    const switching = await choosePlane({ ...options, by: 'auto', mix: false })
    expect(switching.plane.capabilities).toMatchObject({ split: 'switch', proof: 'reported' })
    const mixing = await choosePlane({ ...options, by: 'auto', mix: true })
    expect(mixing.plane.capabilities.split).toBe('replica')
    expect(mixing.note).toBe('backend: no route shares its traffic, so by replicas of backend-service')
  })

  test('an accepted HTTPRoute before a VirtualService before NGINX, and the others are said', async () => {
    const options = shop()
    const { api } = options
    const choose = () => choosePlane({ ...options, by: 'auto', mix: true })
    api.put('ingresses', canaryIngressObject())
    expect((await choose()).plane).toMatchObject({
      name: 'nginx',
      capabilities: { proof: 'waited', split: 'request', headerPin: 'x-moodify-slot' },
    })
    api.put('virtualservices', virtualServiceObject())
    expect((await choose()).plane.name).toBe('virtualservice')
    api.put('httproutes', httpRouteObject())
    expect((await choose()).plane.name).toBe('virtualservice')
    api.put('httproutes', accepted())
    const { plane, note } = await choose()
    expect(plane).toMatchObject({ name: 'httproute', capabilities: { proof: 'reported' } })
    expect(note).toBe(
      'backend: by HTTPRoute backend-route, followed when its status is right and the settle time has passed (no front can be asked from here); VirtualService backend-vs and Ingress backend-ingress-canary found too, and left as they are',
    )
  })

  test('what is configured is used, and missed when it is not there', async () => {
    const options = shop()
    await expect(choosePlane({ ...options, by: 'virtualservice', mix: false })).rejects.toThrow(
      'virtualservices/backend-vs in shop is not there or has no rule with two Services',
    )
    options.api.put('virtualservices', virtualServiceObject())
    options.api.put('httproutes', accepted())
    expect((await choosePlane({ ...options, by: 'virtualservice', mix: false })).plane.name).toBe('virtualservice')
    expect((await choosePlane({ ...options, by: 'selector', mix: false })).plane.name).toBe('selector')
  })
})

describe('where the fronts are', () => {
  const gateway = (spec: object, status: object = {}) => ({
    apiVersion: 'x',
    kind: 'Gateway',
    metadata: { name: 'gateway', namespace: 'shop' },
    spec,
    status,
  })
  const gatewaySlice = (ports: object[]) => ({
    ...slice('gateway', []),
    metadata: {
      name: 'gateway-1',
      namespace: 'shop',
      labels: { 'kubernetes.io/service-name': 'gateway', 'gateway.networking.k8s.io/gateway-name': 'gateway' },
    },
    ports,
    endpoints: [
      { addresses: ['10.1.0.1'], conditions: { ready: true } },
      { addresses: ['10.1.0.2'], conditions: { ready: false } },
      { addresses: ['10.1.0.3'] },
    ],
  })

  test('every ready pod behind a Gateway, at the port of its HTTP listeners; else the address in its status', async () => {
    const { api } = shop()
    expect(await frontsOfHttpRoute(api, httpRouteObject())).toEqual([])
    const listeners = [
      { name: 'http', port: 8081, protocol: 'HTTP' },
      { name: 'tcp', port: 9000, protocol: 'TCP' },
    ]
    api.put('gateways', gateway({ listeners }, { addresses: [{ value: '192.0.2.1' }] }))
    expect(await frontsOfHttpRoute(api, httpRouteObject())).toEqual([{ host: '192.0.2.1', port: 8081, tls: false }])
    api.put(
      'endpointslices',
      gatewaySlice([
        { name: 'http', port: 8081 },
        { name: 'status', port: 15021 },
      ]),
    )
    expect(await frontsOfHttpRoute(api, httpRouteObject())).toEqual([
      { host: '10.1.0.1', port: 8081, tls: false },
      { host: '10.1.0.3', port: 8081, tls: false },
    ])
  })

  test('every pod that an Istio Gateway selects, at the port to which its Service leads', async () => {
    const { api } = shop()
    const servers = [
      { port: { number: 80, name: 'http', protocol: 'HTTP' } },
      { port: { number: 443 }, tls: { mode: 'SIMPLE' } },
    ]
    api.put('gateways', gateway({ selector: { istio: 'ingressgateway' }, servers }))
    const labels = { istio: 'ingressgateway', app: 'gateway' }
    api.put('pods', { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'gateway-1', namespace: 'shop', labels } })
    const ports = [
      { name: 'http2', port: 80 },
      { name: 'https', port: 443 },
      { name: 'status', port: 15021 },
    ]
    const metadata = { name: 'gateway', namespace: 'shop' }
    api.put('services', { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: { app: 'gateway' }, ports } })
    api.put(
      'endpointslices',
      gatewaySlice([
        { name: 'http2', port: 8080 },
        { name: 'https', port: 8443 },
      ]),
    )
    const route = virtualServiceObject()
    const spec = { ...(route['spec'] as object), gateways: ['mesh', 'shop/gateway'] }
    expect(await frontsOfVirtualService(api, { ...route, spec })).toEqual([
      { host: '10.1.0.1', port: 8080, tls: false },
      { host: '10.1.0.3', port: 8080, tls: false },
      { host: '10.1.0.1', port: 8443, tls: true },
      { host: '10.1.0.3', port: 8443, tls: true },
    ])
  })

  test('fronts that can be reached from here make the proof a marked one; configured ones are always asked', async () => {
    const options = shop()
    const server = createServer((socket) => socket.end())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    options.api.put('httproutes', accepted())
    const listeners = [{ name: 'http', port, protocol: 'HTTP' }]
    options.api.put('gateways', gateway({ listeners }, { addresses: [{ value: '127.0.0.1' }] }))
    const proofLevel = async (services = options.services) =>
      (await choosePlane({ ...options, services, by: 'auto', mix: false })).plane.capabilities.proof
    expect(await proofLevel()).toBe('marked')
    await new Promise((resolve) => server.close(resolve))
    expect(await proofLevel()).toBe('reported')
    expect(await proofLevel([{ ...colours, fronts: [{ host: '127.0.0.1', port }] }])).toBe('marked')
  })
})
