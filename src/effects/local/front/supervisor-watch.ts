// Starts the supervisor again when it was killed. The supervisor keeps the front alive and the front the supervisor,
// so that only the loss of both at the same time needs a command.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { connect } from 'node:net'
import { readJson } from '../durable.ts'
import { isAlive, type ProcessIdentity } from '../processes/identity.ts'
import type { FrontSupervisor } from '../protocol.ts'

const FIRST_PAUSE_MS = 2000
const LONGEST_PAUSE_MS = 30_000
/** One that has answered for this long has recovered. */
const STABLE_MS = 60_000
const ANSWERS_MS = 2000

export class SupervisorWatch {
  #how: FrontSupervisor | null = null
  #timer: NodeJS.Timeout | null = null
  #starts = 0
  #notBefore = 0
  #answersSince: number | null = null

  /** Null when nobody has told it. */
  get how(): FrontSupervisor | null {
    return this.#how
  }

  /** From now on it is looked for. */
  tell(how: FrontSupervisor): void {
    this.stop()
    this.#how = how
    this.#lookLater(how)
  }

  stop(): void {
    this.#how = null
    if (this.#timer) clearTimeout(this.#timer)
  }

  #lookLater(how: FrontSupervisor): void {
    this.#timer = setTimeout(() => void this.#look(how), how.everyMs).unref()
  }

  async #look(how: FrontSupervisor): Promise<void> {
    const now = performance.now()
    const answers = await accepts(how.socket)
    // It was told something else meanwhile.
    if (this.#how !== how) return
    if (answers) this.#answersSince ??= now
    else this.#answersSince = null
    if (this.#answersSince !== null && now - this.#answersSince >= STABLE_MS) this.#starts = 0
    try {
      if (!answers && now >= this.#notBefore && wasKilled(how)) this.#start(how)
    } catch (error) {
      // Such as a full disk: no reason for a front to end.
      console.error(`The supervisor cannot be started: ${(error as Error).message}`)
    }
    this.#lookLater(how)
  }

  #start(how: FrontSupervisor): void {
    this.#notBefore = performance.now() + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#starts++)
    const log = openSync(how.log, 'a', 0o600)
    const [program, ...args] = how.command
    const child = spawn(program!, args, { cwd: how.directory, detached: true, stdio: ['ignore', log, log] })
    closeSync(log)
    child.once('error', (error) => console.error(`The supervisor cannot be started: ${error.message}`))
    child.unref()
    console.log(`${new Date().toISOString()} the supervisor was killed; it is started again`)
  }
}

function wasKilled({ identityFile }: FrontSupervisor): boolean {
  const identity = readJson<ProcessIdentity>(identityFile)
  return identity !== null && !isAlive(identity)
}

async function accepts(socketPath: string): Promise<boolean> {
  const socket = connect(socketPath)
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(ANSWERS_MS) })
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
