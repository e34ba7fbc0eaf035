// The old front's side of a handover (succession.ts): it starts the new one, lets go of the listening socket in one
// moment, and tells what it has left to do until it has ended.
import type { ChildProcess } from 'node:child_process'
import { renameSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import type { Cell } from '../../../domain/counts.ts'
import { OperatingError } from '../../../errors/catalogue.ts'
import { type DetachedProcess, startLinked } from '../processes/detached.ts'
import type { FrontHandover } from '../protocol.ts'
import { socketClient } from '../socket-client.ts'
import { checkedBody, plainText, type Routes } from '../socket-server.ts'
import { type Controlled, lastCompleteSecond, restore, servicesStatus, stateOf } from './control.ts'
import { KEEP_SECONDS } from './counters.ts'
import type { Drain } from './drain.ts'
import { handoverSchema, stateSchema } from './schemas.ts'
import { type FromNew, type Report, say, systemMs } from './succession.ts'

/** For the new process to start; nothing waits meanwhile. */
const STARTS_MS = 10_000
/** For each answer of the new one after that; changes wait meanwhile. */
const ANSWERS_MS = 3000
const REPORT_EVERY_MS = 100
/** Cells of more seconds are sent in several reports. */
const REPORT_SECONDS = 30

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
  #applied = 0
  #reported = -1
  #reporting: NodeJS.Timeout | null = null

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
    if (request.build === front.build) return
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
    drain.within(request.deadlineMs ?? longestDrainMs(front) + idleMs, { idleMs })
  }

  /** Tells the successor what no report had. Resolves when that is on its way, or nobody is there. */
  async finish(): Promise<void> {
    if (this.#reporting) clearInterval(this.#reporting)
    const cells = this.#cells(Math.floor(this.#options.front.core.now() / 1000))
    const successor = this.#successor
    if (!successor) return
    await say(successor, { kind: 'ended', report: this.#report(cells, null) })
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
    const report = this.#report({}, -1)
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
    successor.on('message', (message: FromNew) => {
      // What is not followed is not confirmed either, and so nothing is ended that may still be sent to.
      this.#onMessage(message).catch((error) => console.error('A change of the front after this one failed:', error))
    })
    this.#reporting = setInterval(() => void this.#sendReport(), REPORT_EVERY_MS)
  }

  async #onMessage(message: FromNew): Promise<void> {
    const { front } = this.#options
    if (message.kind === 'stop') front.stop(message.deadlineMs)
    if (message.kind !== 'change') return
    const state = stateSchema.parse(message.state)
    restore(front.core, state)
    front.core.upstreams.closeIdle()
    await front.predecessor?.tell(state)
    this.#applied = Math.max(this.#applied, message.number)
    await this.#sendReport()
  }

  async #sendReport(): Promise<void> {
    const successor = this.#successor!
    const whole = lastCompleteSecond(this.#options.front)
    if (this.#reported < 0) this.#reported = Math.max(-1, whole - KEEP_SECONDS - 1)
    const second = Math.min(whole, this.#reported + REPORT_SECONDS)
    await say(successor, { kind: 'report', report: this.#report(this.#cells(second), second) })
  }

  #cells(second: number): Record<string, readonly Cell[]> {
    const from = this.#reported
    this.#reported = Math.max(from, second)
    const services = [...this.#options.front.core.rotation.services.values()]
    return Object.fromEntries(services.map(({ name, cells }) => [name, cells.between(from, second)]))
  }

  #report(cells: Report['cells'], second: number | null): Report {
    const { front } = this.#options
    return {
      applied: this.#applied,
      services: servicesStatus(front),
      streamsCut: front.core.events.streamsCut,
      draining: [process.pid, ...(front.predecessor?.report.draining ?? [])],
      cells,
      second,
    }
  }
}

function longestDrainMs({ core }: Controlled): number {
  return Math.max(0, ...[...core.rotation.services.values()].map(({ drainMs }) => drainMs))
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
