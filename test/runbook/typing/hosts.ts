// The hosts that the runbook names, on loopback: TLS as users see it, then the service of the cluster behind it. curl is
// told by its own configuration where they are, so that commands stay as printed.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect } from '../../../src/effects/kubernetes/client.ts'

const namespaceOf: Readonly<Record<string, string>> = {
  'api.moodify.com': 'moodify-production',
  'staging.moodify.com': 'moodify-staging',
}
const GATEWAY = { host: '127.0.0.1', port: 80 }

export interface Hosts {
  /** Whether production is reached through Istio's gateway, not by its Service. */
  setGateway(on: boolean): void
  /** Where users of production are sent. */
  production(): Promise<{ readonly url: string; readonly headers: Readonly<Record<string, string>> }>
  /** What was asked of jenkins.moodify.com. */
  readonly jenkins: readonly string[]
  close(): Promise<void>
}

export async function startHosts(scratch: string): Promise<Hosts> {
  const api = connect()
  let hasGateway = false
  const jenkins: string[] = []

  async function targetOf(name: string): Promise<{ host: string; port: number }> {
    const namespace = namespaceOf[name]
    if (namespace === undefined) throw new Error(`nobody is ${name}`)
    if (hasGateway && name === 'api.moodify.com') return GATEWAY
    const service = await api.get({ apiVersion: 'v1', plural: 'services', namespace }, 'backend-service')
    const { clusterIP } = (service?.['spec'] ?? {}) as { clusterIP?: string }
    if (!clusterIP) throw new Error(`${namespace} has no backend-service`)
    return { host: clusterIP, port: 8000 }
  }

  async function forward(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const name = request.headers.host ?? ''
    if (name === 'jenkins.moodify.com') return answerAsJenkins(request, response, jenkins)
    const { method, url, headers } = request
    const upstream = http.request({ ...(await targetOf(name)), method, path: url, headers, agent: false })
    upstream.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    upstream.on('error', () => response.writeHead(502).end())
    request.pipe(upstream)
  }

  const server = https.createServer(certificate(scratch), (request, response) => {
    forward(request, response).catch((error: Error) => response.writeHead(502).end(`${error.message}\n`))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const names = [...Object.keys(namespaceOf), 'jenkins.moodify.com']
  const settings = [
    `cacert = "${join(scratch, 'hosts.crt')}"`,
    'silent',
    'show-error',
    ...names.map((name) => `connect-to = "${name}:443:127.0.0.1:${port}"`),
  ]
  writeFileSync(join(scratch, '.curlrc'), `${settings.join('\n')}\n`)

  return {
    setGateway(on) {
      hasGateway = on
    },
    async production() {
      const { host, port: servicePort } = await targetOf('api.moodify.com')
      return { url: `http://${host}:${servicePort}`, headers: { host: 'api.moodify.com' } }
    },
    jenkins,
    async close() {
      server.closeAllConnections()
      server.close()
      api.close()
    },
  }
}

/** As Jenkins' remote API answers a build with parameters: nothing but where the build waits. */
function answerAsJenkins(request: http.IncomingMessage, response: http.ServerResponse, seen: string[]): void {
  let body = ''
  request.on('data', (chunk) => {
    body += chunk
  })
  request.on('end', () => {
    seen.push(`${request.method} ${request.url} ${body}`)
    response.writeHead(201, { location: 'https://jenkins.moodify.com/queue/item/1/' }).end()
  })
}

function certificate(scratch: string): { key: Buffer; cert: Buffer } {
  const key = join(scratch, 'hosts.key')
  const cert = join(scratch, 'hosts.crt')
  const names = 'subjectAltName=DNS:api.moodify.com,DNS:staging.moodify.com,DNS:jenkins.moodify.com'
  const options = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=moodify.com', '-addext', names]
  execFileSync('openssl', ['req', ...options, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  return { key: readFileSync(key), cert: readFileSync(cert) }
}
