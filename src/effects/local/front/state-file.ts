// What a front still knows after a restart: everything that it was told.
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type SavedState, stateSchema } from './schemas.ts'

const RETRY_MS = 1000

/** Writes of one file, one at a time; what changes while one runs is taken up by the next. */
export class StateFile {
  /** Why the newest state is not on disk; null when it is. */
  problem: string | null = null
  private readonly path: string
  private readonly current: () => SavedState
  private running: Promise<void> = Promise.resolve()
  private next: Promise<void> | null = null
  private retry: NodeJS.Timeout | null = null

  /** @param current  gives the state at the moment of the write */
  constructor(path: string, current: () => SavedState) {
    this.path = path
    this.current = current
  }

  /** Resolves when the state of now, or a newer one, is on disk; or when that failed, with `problem` set. */
  save(): Promise<void> {
    this.next ??= this.running.then(async () => {
      this.next = null
      await this.write()
    })
    this.running = this.next
    return this.next
  }

  close(): Promise<void> {
    if (this.retry) clearTimeout(this.retry)
    return this.running
  }

  private async write(): Promise<void> {
    if (this.retry) clearTimeout(this.retry)
    this.retry = null
    try {
      await writeDurably(this.path, `${JSON.stringify(this.current())}\n`)
      this.problem = null
    } catch (error) {
      if (this.problem === null) console.error(`The state cannot be saved: ${(error as Error).message}`)
      this.problem = (error as Error).message
      this.retry = setTimeout(() => void this.save(), RETRY_MS).unref()
    }
  }
}

/**
 * The state that was saved for this environment, or null when there is none. A file that makes no sense is said and
 * then ignored: the supervisor and the runner tell the front everything again.
 */
export async function readState(path: string, environment: string): Promise<SavedState | null> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  const state = stateSchema.safeParse(parseJson(text))
  if (state.success && state.data.environment === environment) return state.data
  console.error(`${path} holds no state of a front of ${environment}; it is ignored.`)
  return null
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const temporary = `${path}.new`
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  // The name itself is only safe once its folder is.
  const opened = await open(folder, 'r')
  await opened.sync().finally(() => opened.close())
}
