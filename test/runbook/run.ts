// `npm run test:runbook [SECTION]`: types the runbook on the test cluster, whose services are reached from inside its
// network.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')
const enter = process.env['MOODIFY_TEST_ENTER'] ?? join(root, 'test/cluster/enter')
const { status } = spawnSync(
  enter,
  [process.execPath, join(root, 'node_modules/vitest/vitest.mjs'), 'run', 'test/runbook/typing/typed.test.ts'],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, MOODIFY_TEST_RUNBOOK: '1', MOODIFY_TEST_SECTION: process.argv[2] ?? '' },
  },
)
process.exitCode = status ?? 1
