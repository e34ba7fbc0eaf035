import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
const OUTPUT_LIMIT = 16 * 1024 * 1024

/**
 * Runs git in a folder and returns what it prints, trimmed.
 *
 * @throws Error with git's own message
 */
export async function git(
  folder: string,
  args: readonly string[],
  { env = {}, signal }: { env?: NodeJS.ProcessEnv; signal?: AbortSignal } = {},
): Promise<string> {
  const { stdout } = await run('git', ['-C', folder, ...args], {
    env: { ...withoutGitVariables(), ...env },
    maxBuffer: OUTPUT_LIMIT,
    signal,
  })
  return stdout.trim()
}

/** In a git hook, variables of the hook's repository are set; ours is the one of the folder. */
function withoutGitVariables(): NodeJS.ProcessEnv {
  const names = ['GIT_DIR', 'GIT_WORK_TREE', 'GIT_INDEX_FILE', 'GIT_PREFIX', 'GIT_OBJECT_DIRECTORY']
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !names.includes(name)))
}
