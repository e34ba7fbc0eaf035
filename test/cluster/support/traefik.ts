// Traefik as a reader of NGINX's canary annotations and of HTTPRoutes, from the binary that MOODIFY_TEST_TRAEFIK names.
import { spawn } from 'node:child_process'
import type { Api, KubernetesObject } from '../../../src/effects/kubernetes/api.ts'
import { until } from '../../support/until.ts'

export const TRAEFIK_INGRESS_PORT = 8082
export const TRAEFIK_GATEWAY_PORT = 8083
const ADMIN_PORT = 8084
export const TRAEFIK_PAGE = `http://127.0.0.1:${ADMIN_PORT}/metrics`

const binary = process.env['MOODIFY_TEST_TRAEFIK']
/** Why tests of it are skipped; null when it is there. */
export const lackOfTraefik = binary ? null : 'MOODIFY_TEST_TRAEFIK does not name a Traefik'

const classes = [
  [
    { apiVersion: 'networking.k8s.io/v1', plural: 'ingressclasses' },
    { kind: 'IngressClass', name: 'nginx', spec: { controller: 'k8s.io/ingress-nginx' } },
  ],
  [
    { apiVersion: 'gateway.networking.k8s.io/v1', plural: 'gatewayclasses' },
    { kind: 'GatewayClass', name: 'traefik', spec: { controllerName: 'traefik.io/gateway-controller' } },
  ],
] as const

export async function startTraefik(api: Api): Promise<AsyncDisposable> {
  for (const [resource, { kind, name, spec }] of classes) {
    const object = { apiVersion: resource.apiVersion, kind, metadata: { name }, spec }
    await api.apply(resource, object, { fieldManager: 'shop', force: true })
  }
  const entryPoint = (name: string, port: number) => `--entryPoints.${name}.address=127.0.0.1:${port}`
  const traefik = spawn(
    binary!,
    [
      '--global.checkNewVersion=false',
      '--global.sendAnonymousUsage=false',
      entryPoint('web', TRAEFIK_INGRESS_PORT),
      entryPoint('gateway', TRAEFIK_GATEWAY_PORT),
      entryPoint('traefik', ADMIN_PORT),
      '--ping=true',
      '--metrics.prometheus=true',
      '--metrics.prometheus.addServicesLabels=true',
      '--providers.kubernetesIngressNGINX=true',
      '--providers.kubernetesIngressNGINX.httpEntryPoint=web',
      '--providers.kubernetesGateway=true',
      '--entryPoints.web.transport.lifeCycle.graceTimeOut=1s',
      '--entryPoints.gateway.transport.lifeCycle.graceTimeOut=1s',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let said = ''
  traefik.stderr.on('data', (text) => {
    said = `${said}${text}`.slice(-2000)
  })
  const ended = new Promise((resolve) => traefik.once('exit', resolve))
  const isUp = () =>
    fetch(`http://127.0.0.1:${ADMIN_PORT}/ping`).then(
      ({ ok }) => ok,
      () => false,
    )
  await until('Traefik is up', () => {
    // Another one on the same ports would answer in its place.
    if (traefik.exitCode !== null) throw new Error(`Traefik ended: ${said}`)
    return isUp()
  })
  return {
    async [Symbol.asyncDispose]() {
      traefik.kill()
      await ended
    },
  }
}

/** A Gateway of Traefik's, in the namespace to which it is applied. */
export function traefikGateway(): KubernetesObject {
  const listeners = [{ name: 'http', port: TRAEFIK_GATEWAY_PORT, protocol: 'HTTP' }]
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'traefik' },
    spec: { gatewayClassName: 'traefik', listeners },
  }
}
