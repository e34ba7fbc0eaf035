// Who we are to which API server, as kubectl would have it: KUBECONFIG or ~/.kube/config with its contexts, exec
// plugins, tokens, certificates and proxies, else the service account of the pod that this runs in.
//
// The library is imported only for what is not plain, and of it only the file that reads kubeconfigs.
import type { Agent, RequestOptions } from 'node:https'
import { OperatingError } from '../../errors/catalogue.ts'
import type { ConnectOptions, Credentials } from './connect-options.ts'
import { plainCredentials } from './plain-kubeconfig.ts'
import { serviceAccountCredentials } from './service-account.ts'

/** What the library falls back to. */
const NO_KUBECONFIG = 'http://localhost:8080'

/** @throws OperatingError KUBECONFIG_INVALID */
export async function loadCredentials({ kubeconfig, context, serviceAccount }: ConnectOptions): Promise<Credentials> {
  if (serviceAccount) return serviceAccountCredentials()
  const plain = plainCredentials({ kubeconfig, context })
  if (plain) return plain
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js')
  const config = new KubeConfig()
  try {
    if (kubeconfig === undefined) config.loadFromDefault()
    else config.loadFromFile(kubeconfig)
  } catch (error) {
    throw invalid(`The kubeconfig cannot be read: ${(error as Error).message}.`)
  }
  if (context !== undefined) {
    if (!config.getContextObject(context)) {
      const known = config.getContexts().map(({ name }) => name)
      throw invalid(`The kubeconfig has no context ${context}; it has ${known.join(', ') || 'none'}.`)
    }
    config.setCurrentContext(context)
  }
  const cluster = config.getCurrentCluster()
  if (cluster?.server === NO_KUBECONFIG)
    throw invalid('There is no kubeconfig: KUBECONFIG is not set, and ~/.kube/config is not there.')
  if (!cluster) throw invalid('The kubeconfig names no cluster to speak to.')
  const apply = async () => {
    const options: RequestOptions = {}
    try {
      await config.applyToHTTPSOptions(options)
    } catch (error) {
      throw invalid(`Authentication to ${cluster.server} failed: ${(error as Error).message}.`)
    }
    return options
  }
  const agent = cluster.proxyUrl ? ((await apply()).agent as Agent) : null
  const name = config.getCurrentContext()
  const namespace = config.getContextObject(name)?.namespace ?? null
  return { server: new URL(cluster.server), context: name, namespace, agent, apply }
}

function invalid(message: string): OperatingError {
  return new OperatingError('KUBECONFIG_INVALID', message, 'kubectl config get-contexts, or name a file in KUBECONFIG')
}
