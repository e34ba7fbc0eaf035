// The case file that the in-process API server passes, against a real one.
import { describeApiServer } from '../conformance/api-server.ts'
import { clusterNamespace, onCluster } from './support/namespace.ts'

onCluster(() => {
  describeApiServer('real', async () => ({
    ...(await clusterNamespace('kj-api')),
    bookmarkSeconds: 70,
    forget: 'it forgets after minutes of its own choosing',
  }))
})
