// Starts the supervisor again when it was killed, and ends one that hangs first. The supervisor keeps the front alive and the front the supervisor,
// so that only the loss of both at the same time needs a command.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { connect } from 'node:net'
import { readJson } from '../durable.ts'
import { isAlive, type ProcessIdentity, signalProcess } from '../processes/identity.ts'
import type { FrontSupervisor } from '../protocol.ts'

const FIRST_PAUSE_MS = 2000
const LONGEST_PAUSE_MS = 30_000
/** One that has answered for this long has recovered. */
const STABLE_MS = 60_000
const ANSWERS_MS = 2000
/** One that accepts and has not answered for this long hangs. Replicas do not notice when it is killed. */
const HUNG_MS = 30_000

export class SupervisorWatch {
  #how: FrontSupervisor | null = null
  #timer: NodeJS.Timeout | null = null
  #starts = 0
  #notBefore = 0
  #answersSince: number | null = null
  #silentSince: number | null = null

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
    const found = await whoAnswers(how.socket)
    const answers = found === 'somebody'
    // It was told something else meanwhile.
    if (this.#how !== how) return
    this.#silentSince = found === 'silence' ? (this.#silentSince ?? now) : null
    if (answers) this.#answersSince ??= now
    else this.#answersSince = null
    if (this.#answersSince !== null && now - this.#answersSince >= STABLE_MS) this.#starts = 0
    try {
      if (this.#silentSince !== null && now - this.#silentSince >= (how.hungMs ?? HUNG_MS)) this.#killHung(how)
      if (!answers && now >= this.#notBefore && wasKilled(how)) this.#start(how)
    } catch (error) {
      // Such as a full disk: no reason for a front to end.
      console.error(`The supervisor cannot be started: ${(error as Error).message}`)
    }
    this.#lookLater(how)
  }

  /** Its identity is written down, so that nobody else is killed; one that is only just ending has removed it. */
  #killHung({ identityFile }: FrontSupervisor): void {
    const identity = readJson<ProcessIdentity>(identityFile)
    if (!identity || !signalProcess(identity, 'SIGKILL')) return
    this.#silentSince = null
    console.log(`${new Date().toISOString()} the supervisor (pid ${identity.pid}) hangs; it is killed`)
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

/** Any answer will do. That somebody accepts is not enough: the system does so for a process that hangs. */
async function whoAnswers(socketPath: string): Promise<'somebody' | 'silence' | 'nobody'> {
  const socket = connect(socketPath)
  try {
    socket.write('GET /alive HTTP/1.1\r\nhost: supervisor\r\nconnection: close\r\n\r\n')
    await once(socket, 'data', { signal: AbortSignal.timeout(ANSWERS_MS) })
    return 'somebody'
  } catch (error) {
    return (error as Error).name === 'AbortError' ? 'silence' : 'nobody'
  } finally {
    socket.destroy()
  }
}
