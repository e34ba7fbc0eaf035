// What the tests of the statistics share.

/** The seed is fixed, so that a failure is one of the code; another comes with MOODIFY_TEST_SEED. */
export function seeded(numRuns: number): { seed: number; numRuns: number } {
  return { seed: Number(process.env['MOODIFY_TEST_SEED'] ?? 20), numRuns }
}
