// Who a pod is to its own cluster: the service account that is mounted into it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { OperatingError } from '../../errors/catalogue.ts'
import type { Credentials } from './connect-options.ts'

const MOUNTED = '/var/run/secrets/kubernetes.io/serviceaccount'

/** @throws OperatingError KUBECONFIG_INVALID outside a pod */
export function serviceAccountCredentials(
  folder: string = MOUNTED,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Credentials {
  const read = (name: string) => readFileSync(join(folder, name), 'utf8').trim()
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env
  try {
    if (!host) throw new Error('KUBERNETES_SERVICE_HOST is not set')
    const [ca, namespace] = [read('ca.crt'), read('namespace')]
    return {
      server: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`),
      context: 'in-cluster',
      namespace,
      agent: null,
      // The kubelet writes a new token long before the old one ends.
      apply: async () => ({ ca, headers: { authorization: `Bearer ${read('token')}` } }),
    }
  } catch (error) {
    const message = `This is no pod with a service account: ${(error as Error).message}.`
    throw new OperatingError('KUBECONFIG_INVALID', message, 'moodify deploy --in-cluster starts the runner in one')
  }
}
