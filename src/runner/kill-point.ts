// Exists for tests alone. A real runner, in its own process and under a real supervisor, ends itself with SIGKILL at
// one exact point of its work, so that a test can show that the next one goes on from there (invariant 7). Nobody
// else sets MOODIFY_TEST_KILL_AT.
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'

/**
 * @param spec    a probe point and which occurrence of it in one process, such as `after effect setShares#2`;
 *                undefined where nobody is to be killed
 * @param folder  where a marker file remembers that it happened, so that the next runner lives
 * @returns       the probe of `runReleases`
 */
export function killPoint(spec: string | undefined, folder: string): ((point: string) => void) | undefined {
  if (!spec) return undefined
  const [wanted, occurrence = '1'] = spec.split('#')
  let left = Number(occurrence)
  return (point) => {
    if (point !== wanted || --left !== 0 || !mark(killMarker(spec, folder))) return
    process.kill(process.pid, 'SIGKILL')
  }
}

/** File that is there once the runner has been killed at this point. */
export function killMarker(spec: string, folder: string): string {
  return join(folder, `killed ${spec}`)
}

/** False when it was there already. */
function mark(file: string): boolean {
  try {
    closeSync(openSync(file, 'wx'))
    return true
  } catch {
    return false
  }
}
