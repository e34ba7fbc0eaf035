// The old front's side of a handover (succession.ts): it starts the new one, lets go of the listening socket in one
// moment, and tells what it has left to do until it has ended.
import type { ChildProcess } from 'node:child_process'
import { renameSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import { OperatingError } from '../../../errors/catalogue.ts'
import { type DetachedProcess, startLinked } from '../processes/detached.ts'
import type { FrontHandover } from '../protocol.ts'
import { socketClient } from '../socket-client.ts'
import { checkedBody, plainText, type Routes } from '../socket-server.ts'
import type { Controlled } from './control.ts'
import { type Drain, longestDrainMs } from './drain.ts'
import { Follower } from './follower.ts'
import { handoverSchema } from './schemas.ts'
import { stateOf } from './serving.ts'
import { type FromNew, say, systemMs } from './succession.ts'

/** For the new process to start; nothing waits meanwhile. */
const STARTS_MS = 10_000
/** For each answer of the new one after that; changes wait meanwhile. */
const ANSWERS_MS = 3000

export interface HandoverOptions {
  readonly front: Controlled
  readonly server: Server
  readonly drain: Drain
  readonly controlSocket: string
  /** In this time every idle connection comes to its announced end. */
  readonly idleMs: number
}

export class Handover {
  readonly #options: HandoverOptions
  /** Pending while changes have to wait for the outcome. */
  #outcome: PromiseWithResolvers<void> | null = null
  #underWay = false
  #successor: ChildProcess | null = null
  #follower: Follower | null = null

  constructor(options: HandoverOptions) {
    this.#options = options
  }

  /** These routes for as long as there is no successor; changes wait while one is taking over. */
  gate(routes: Routes): Routes {
    const successor = socketClient(this.#options.controlSocket)
    const gated = Object.entries(routes).map(([name, route]): [string, Routes[string]] => [
      name,
      async (body, query) => {
        const [method, path] = name.split(' ') as [string, string]
        if (method !== 'GET') await this.#outcome?.promise
        if (!this.#successor) return route(body, query)
        const answer = await successor.request(method, query.size > 0 ? `${path}?${query}` : path, body)
        return typeof answer === 'string' ? plainText(answer) : answer
      },
    ])
    return Object.fromEntries(gated)
  }

  /**
   * Starts a front of another build and lets it take over. When this throws, everything is as before.
   *
   * @throws OperatingError PLATFORM_FAILED with what went wrong, REFUSED when it is no time for it
   */
  async start(body: unknown): Promise<void> {
    const request = checkedBody(handoverSchema, body)
    const { front, drain, idleMs } = this.#options
    if (request.build === front.build && (request.options ?? front.options) === front.options) return
    if (this.#underWay || front.core.stopping) {
      throw new OperatingError('REFUSED', `The front of ${front.environment} is being replaced or ended already.`)
    }
    this.#underWay = true
    try {
      await this.#startAndLetGo(request)
    } finally {
      this.#underWay = false
      this.#outcome?.resolve()
      this.#outcome = null
    }
    front.watch.stop()
    const deadlineMs = request.deadlineMs ?? longestDrainMs(front.core) + idleMs
    front.workers?.stop(deadlineMs, idleMs)
    drain.within(deadlineMs, { idleMs })
  }

  /** Tells the successor what no report had. Resolves when that is on its way, or nobody is there. */
  async finish(): Promise<void> {
    const successor = this.#successor
    if (!successor) return
    await this.#follower?.finish()
    if (successor.connected) successor.disconnect()
    // Neither its end nor anything else of it is waited for.
    successor.unref()
  }

  async #startAndLetGo(request: FrontHandover): Promise<void> {
    const { front } = this.#options
    let started: DetachedProcess | null = null
    try {
      const linked = await startLinked({ ...request, env: process.env })
      started = linked.started
      await this.#letGo(linked.channel)
    } catch (error) {
      // It may be listening already: only when it is gone is this front alone again.
      started?.signal('SIGKILL')
      const exit = await started?.exited
      if (this.#outcome) await front.file.save()
      const reason = `${(error as Error).message}${exit?.code == null ? '' : ` with status ${exit.code}`}`
      throw new OperatingError(
        'PLATFORM_FAILED',
        `The front of ${front.environment} was not replaced and goes on serving: ${reason}.`,
        `The log of both says more: ${request.log}`,
      )
    }
  }

  async #letGo(successor: ChildProcess): Promise<void> {
    const { front, server, controlSocket } = this.#options
    const { core, countsSource, file } = front
    await heard(successor, 'ready', STARTS_MS)
    this.#outcome = Promise.withResolvers<void>()
    await file.close()
    const clock = { nowMs: core.now(), systemMs: systemMs() }
    const follower = new Follower(front, successor, (deadlineMs) => front.stop(deadlineMs))
    const report = follower.report({}, -1)
    const supervisor = front.watch.how
    void say(successor, { kind: 'state', state: stateOf(front), clock, countsSource, supervisor, report })
    const prepared = await heard(successor, 'prepared', ANSWERS_MS)
    try {
      void say(successor, { kind: 'listen' }, server)
      await heard(successor, 'listening', ANSWERS_MS)
      // The moment: who connects from here on reaches the new one.
      renameSync(prepared.controlSocket, controlSocket)
    } finally {
      rmSync(prepared.controlSocket, { force: true })
    }
    this.#successor = successor
    void say(successor, { kind: 'committed' })
    this.#follower = follower
    follower.start()
  }
}

/** The next message of a kind. @throws Error when the process ends before, or it does not come in time */
function heard<Kind extends FromNew['kind']>(
  successor: ChildProcess,
  kind: Kind,
  withinMs: number,
): Promise<Extract<FromNew, { kind: Kind }>> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      clearTimeout(timer)
      successor.off('message', onMessage)
      successor.off('exit', onExit)
      act()
    }
    const onMessage = (message: FromNew) => {
      if (message.kind === kind) settle(() => resolve(message as Extract<FromNew, { kind: Kind }>))
    }
    const onExit = () => settle(() => reject(new Error(`the new one has ended before it was ${kind}`)))
    const late = () => settle(() => reject(new Error(`the new one was not ${kind} within ${withinMs / 1000} s`)))
    const timer = setTimeout(late, withinMs)
    successor.on('message', onMessage)
    successor.on('exit', onExit)
    if (successor.exitCode !== null) onExit()
  })
}
