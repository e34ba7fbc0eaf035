// Where the fronts of a route are: each replica of its gateways, as the cluster knows them. Whether they can be reached
// from here is another question: a runner inside the cluster can, a laptop mostly cannot.
import type { Api, KubernetesObject } from '../api.ts'
import type { FrontAddress } from './plane.ts'

const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name'
const SERVICE_NAME = 'kubernetes.io/service-name'

/** Fronts of an HTTPRoute: the pods behind its Gateways, else the addresses in their status. */
export async function frontsOfHttpRoute(api: Api, route: KubernetesObject): Promise<FrontAddress[]> {
  const { parentRefs = [] } = specOf<{ parentRefs?: readonly ParentRef[] }>(route)
  const found = parentRefs.map(
    async ({ name, namespace = route.metadata.namespace!, sectionName, kind = 'Gateway' }) => {
      if (kind !== 'Gateway') return []
      const gateway = await api.get({ apiVersion: 'gateway.networking.k8s.io/v1', plural: 'gateways', namespace }, name)
      if (!gateway) return []
      const listeners = listenersOf(gateway, sectionName)
      const slices = await slicesIn(api, namespace, `${GATEWAY_NAME}=${name}`)
      const pods = listeners.flatMap((listener) => frontsIn(slices, listener))
      return pods.length > 0 ? pods : addressesOf(gateway, listeners)
    },
  )
  return (await Promise.all(found)).flat()
}

/** Fronts of a VirtualService: the pods that its Gateways select, behind the port of the Service that leads to them. */
export async function frontsOfVirtualService(api: Api, route: KubernetesObject): Promise<FrontAddress[]> {
  const { gateways = [] } = specOf<{ gateways?: readonly string[] }>(route)
  const found = gateways.map(async (reference) => {
    const [first, second] = reference.split('/')
    const [namespace, name] = second === undefined ? [route.metadata.namespace!, first!] : [first!, second]
    if (name === 'mesh') return []
    const gateway = await api.get({ apiVersion: 'networking.istio.io/v1', plural: 'gateways', namespace }, name)
    return gateway ? frontsOfIstioGateway(api, gateway) : []
  })
  return (await Promise.all(found)).flat()
}

async function frontsOfIstioGateway(api: Api, gateway: KubernetesObject): Promise<FrontAddress[]> {
  const { selector = {}, servers = [] } = specOf<{ selector?: Labels; servers?: readonly IstioServer[] }>(gateway)
  const labelSelector = Object.entries(selector)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
  const { items: pods } = await api.list({ apiVersion: 'v1', plural: 'pods' }, { labelSelector })
  const namespaces = [...new Set(pods.map(({ metadata }) => metadata.namespace!))]
  const fronts = namespaces.map(async (namespace) => {
    const { items: services } = await api.list({ apiVersion: 'v1', plural: 'services', namespace })
    const leading = services.filter((service) => pods.some((pod) => isSelected(service, pod)))
    const perService = leading.map(async (service) => {
      const slices = await slicesIn(api, namespace, `${SERVICE_NAME}=${service.metadata.name}`)
      const { ports = [] } = specOf<{ ports?: readonly ServicePort[] }>(service)
      return servers.flatMap(({ port, tls }) =>
        ports
          .filter((offered) => offered.port === port.number)
          .flatMap(({ name }) => frontsIn(slices, { portName: name ?? '', tls: tls?.mode !== undefined })),
      )
    })
    return (await Promise.all(perService)).flat()
  })
  return (await Promise.all(fronts)).flat()
}

type Labels = Readonly<Record<string, string>>
interface ParentRef {
  readonly name: string
  readonly namespace?: string
  readonly sectionName?: string
  readonly kind?: string
}
interface IstioServer {
  readonly port: { readonly number: number }
  readonly tls?: { readonly mode?: string }
}
interface ServicePort {
  readonly name?: string
  readonly port: number
}
interface Slice {
  readonly ports?: readonly { readonly name?: string; readonly port: number }[]
  readonly endpoints?: readonly {
    readonly addresses: readonly string[]
    readonly conditions?: { readonly ready?: boolean }
  }[]
}
/** One way in; a port is known by its number or, where numbers are mapped, by its name. */
interface Listener {
  readonly port?: number
  readonly portName?: string
  readonly tls: boolean
}

function listenersOf(gateway: KubernetesObject, sectionName: string | undefined): Listener[] {
  const { listeners = [] } = specOf<{
    listeners?: readonly { name: string; port: number; protocol: string }[]
  }>(gateway)
  return listeners
    .filter(({ name, protocol }) => (sectionName === undefined || name === sectionName) && protocol.startsWith('HTTP'))
    .map(({ port, protocol }) => ({ port, tls: protocol === 'HTTPS' }))
}

function frontsIn(slices: readonly KubernetesObject[], { port, portName, tls }: Listener): FrontAddress[] {
  return slices.flatMap((slice) => {
    const { ports = [], endpoints = [] } = slice as unknown as Slice
    const numbers = ports.filter((offered) =>
      port === undefined ? (offered.name ?? '') === portName : offered.port === port,
    )
    const ready = endpoints.filter(({ conditions }) => conditions?.ready !== false)
    return ready.flatMap(({ addresses }) => numbers.map((number) => ({ host: addresses[0]!, port: number.port, tls })))
  })
}

function addressesOf(gateway: KubernetesObject, listeners: readonly Listener[]): FrontAddress[] {
  const { addresses = [] } = (gateway['status'] ?? {}) as { addresses?: readonly { value: string }[] }
  return addresses.flatMap(({ value }) => listeners.map(({ port, tls }) => ({ host: value, port: port!, tls })))
}

async function slicesIn(api: Api, namespace: string, labelSelector: string): Promise<readonly KubernetesObject[]> {
  const slices = { apiVersion: 'discovery.k8s.io/v1', plural: 'endpointslices', namespace }
  return (await api.list(slices, { labelSelector })).items
}

function isSelected(service: KubernetesObject, pod: KubernetesObject): boolean {
  const { selector = {} } = specOf<{ selector?: Labels }>(service)
  const entries = Object.entries(selector)
  const isHere = service.metadata.namespace === pod.metadata.namespace
  return isHere && entries.length > 0 && entries.every(([key, value]) => pod.metadata.labels?.[key] === value)
}

function specOf<Spec>(object: KubernetesObject): Spec {
  return (object['spec'] ?? {}) as Spec
}
