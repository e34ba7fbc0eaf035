import { connect } from '../../src/effects/kubernetes/client.ts'
import { type ApiServer, apiServer } from '../support/api-server/index.ts'
import { describeApiServer } from './api-server.ts'

const namespaces = ['shop']
const common = (server: ApiServer) => ({ namespace: 'shop', bookmarkSeconds: 3, forget: server.compact })

describeApiServer('in process, called directly', () => {
  const server = apiServer({ namespaces })
  return { ...common(server), api: server.api, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
})

describeApiServer('in process, through the client', async () => {
  const server = apiServer({ namespaces })
  const { kubeconfig } = await server.listen()
  const client = connect({ kubeconfig })
  return {
    ...common(server),
    api: client,
    async [Symbol.asyncDispose]() {
      client.close()
      await server[Symbol.asyncDispose]()
    },
  }
})
