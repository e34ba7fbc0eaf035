// The journal in a namespace of a real cluster passes what every journal does.
import { describeJournal } from '../conformance/journal.ts'
import { namespaceJournals } from '../support/namespace-journals.ts'
import { clusterNamespace, onCluster } from './support/namespace.ts'

onCluster(() => {
  describeJournal('in a namespace of a real cluster', async () => {
    const home = await clusterNamespace('kj-journal')
    return {
      ...namespaceJournals(home.api, home.namespace),
      [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
    }
  })
})
