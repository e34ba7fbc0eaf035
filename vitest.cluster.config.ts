import { defineConfig } from 'vitest/config'

/** `npm run test:cluster`: see test/cluster/README.md. */
export default defineConfig({
  test: {
    include: ['test/cluster/**/*.test.ts'],
    testTimeout: 300_000,
    hookTimeout: 120_000,
    // Releases under load share one cluster on few cores.
    fileParallelism: false,
    pool: 'forks',
  },
})
