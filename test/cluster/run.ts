// `npm run test:cluster [FILE…]`: the tests of this folder on a real cluster.
import { join } from 'node:path'
import { runOnCluster } from './support/run-on-cluster.ts'

const config = join(import.meta.dirname, '../../vitest.cluster.config.ts')
runOnCluster('test:cluster', ['--config', config, ...process.argv.slice(2)])
