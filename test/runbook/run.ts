// `npm run test:runbook [SECTION]`: types the runbook on a real cluster, whose services are reached from inside its network.
import { runOnCluster } from '../cluster/support/run-on-cluster.ts'

runOnCluster('test:runbook', ['test/runbook/typing/typed.test.ts'], {
  MOODIFY_TEST_RUNBOOK: '1',
  MOODIFY_TEST_SECTION: process.argv[2] ?? '',
})
