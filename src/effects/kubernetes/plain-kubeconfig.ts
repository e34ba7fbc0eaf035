// The kubeconfigs that most people have: one server, certificates or a token, nothing to run and no proxy. Reading them
// here takes a few milliseconds; importing the library that knows all the others takes longer than most commands.
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { parse } from 'yaml'
import type { ConnectOptions, Credentials } from './connect-options.ts'

interface Named {
  readonly name?: string
}
interface Cluster {
  readonly server?: string
  readonly 'certificate-authority'?: string
  readonly 'certificate-authority-data'?: string
  readonly 'tls-server-name'?: string
}
interface User {
  readonly token?: string
  readonly 'client-certificate'?: string
  readonly 'client-certificate-data'?: string
  readonly 'client-key'?: string
  readonly 'client-key-data'?: string
}
interface Kubeconfig {
  readonly 'current-context'?: string
  readonly clusters?: readonly (Named & { readonly cluster?: Cluster })[]
  readonly users?: readonly (Named & { readonly user?: User })[]
  readonly contexts?: readonly (Named & {
    readonly context?: { readonly cluster?: string; readonly user?: string; readonly namespace?: string }
  })[]
}

const CLUSTER_KEYS = new Set(['server', 'certificate-authority', 'certificate-authority-data', 'tls-server-name'])
const USER_KEYS = new Set(['token', 'client-certificate', 'client-certificate-data', 'client-key', 'client-key-data'])

/** Null for everything that is not plain, mistakes too: the library says what is wrong with those. */
export function plainCredentials({ kubeconfig, context }: ConnectOptions): Credentials | null {
  try {
    const files = kubeconfig === undefined ? defaultFiles() : [kubeconfig]
    return files.length === 1 ? credentialsIn(files[0]!, context) : null
  } catch {
    return null
  }
}

function defaultFiles(): string[] {
  const named = (process.env['KUBECONFIG'] ?? '').split(delimiter).filter(Boolean)
  if (named.length > 0) return named
  const usual = join(homedir(), '.kube', 'config')
  return existsSync(usual) ? [usual] : []
}

function credentialsIn(file: string, wanted: string | undefined): Credentials | null {
  const config = parse(readFileSync(file, 'utf8')) as Kubeconfig
  const name = wanted ?? config['current-context']
  const context = config.contexts?.find((one) => one.name === name)?.context
  const cluster = config.clusters?.find((one) => one.name === context?.cluster)?.cluster
  const user = config.users?.find((one) => one.name === context?.user)?.user
  if (name === undefined || !context || !cluster?.server?.startsWith('https:') || !user) return null
  if (!onlyKnown(cluster, CLUSTER_KEYS) || !onlyKnown(user, USER_KEYS)) return null
  const read = (path: string | undefined, data: string | undefined) => {
    if (data !== undefined) return Buffer.from(data, 'base64')
    return path === undefined ? undefined : readFileSync(resolve(dirname(file), path))
  }
  const options = {
    ca: read(cluster['certificate-authority'], cluster['certificate-authority-data']),
    cert: read(user['client-certificate'], user['client-certificate-data']),
    key: read(user['client-key'], user['client-key-data']),
    servername: cluster['tls-server-name'],
    headers: user.token === undefined ? {} : { authorization: `Bearer ${user.token}` },
  }
  const server = new URL(cluster.server)
  return { server, context: name, namespace: context.namespace ?? null, agent: null, apply: async () => options }
}

function onlyKnown(mapping: object, keys: ReadonlySet<string>): boolean {
  return Object.keys(mapping).every((key) => keys.has(key))
}
