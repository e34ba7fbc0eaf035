import { randomBytes } from 'node:crypto'
import { describe } from 'vitest'
import type { Api } from '../../../src/effects/kubernetes/api.ts'
import { connect } from '../../../src/effects/kubernetes/client.ts'

const NAMESPACES = { apiVersion: 'v1', plural: 'namespaces' }

/** Suites for a cluster that is there: `MOODIFY_TEST_CLUSTER=existing` and KUBECONFIG. */
export function onCluster(define: () => void): void {
  describe.skipIf(!process.env['MOODIFY_TEST_CLUSTER'])('on a real cluster', define)
}

export interface ClusterNamespace extends AsyncDisposable {
  readonly api: Api
  readonly namespace: string
}

/** A new namespace of the cluster that KUBECONFIG leads to; it is deleted at the end. */
export async function clusterNamespace(prefix: string): Promise<ClusterNamespace> {
  const client = connect()
  const name = `${prefix}-${randomBytes(4).toString('hex')}`
  await client.create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  return {
    api: client,
    namespace: name,
    async [Symbol.asyncDispose]() {
      await client.delete(NAMESPACES, name)
      client.close()
    },
  }
}
