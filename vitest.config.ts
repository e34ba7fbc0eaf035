import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'examples/**/*.test.ts'],
    // These need a cluster: npm run test:cluster.
    exclude: ['test/cluster/**', '**/node_modules/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Process tests share two cores and count requests: they run one file at a time.
    fileParallelism: false,
    pool: 'forks',
  },
})
