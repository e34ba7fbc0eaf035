// People and pipelines: what they type by chance, and, once nothing goes wrong any more, somebody who does what the
// screen says until nothing is left to do.
import type { Config } from '../../src/config/config.ts'
import type { Actor } from '../../src/domain/names.ts'
import type { Revision } from '../../src/domain/revision.ts'
import { admit } from '../../src/engine/admission.ts'
import type { Command } from '../../src/engine/record.ts'
import { currentStep } from '../../src/engine/state.ts'
import { OperatingError } from '../../src/errors/catalogue.ts'
import type { Context } from '../../src/verbs/context.ts'
import { deployCommand, planDeploy } from '../../src/verbs/deploy.ts'
import { retryCommand } from '../../src/verbs/retry.ts'
import { rollbackCommand } from '../../src/verbs/rollback.ts'
import { operatorJournal } from './journal.ts'
import { randomOf } from './random.ts'
import { LAST_VERSION, type Operation } from './scenario.ts'
import type { Simulation } from './simulation.ts'

const ana: Actor = { kind: 'person', name: 'ana' }

/** Longer than any declared wait of the simulated configuration. */
const PATIENCE_MS = 120_000
const MOST_COMMANDS = 12
const strategies = ['canary', 'blue-green', 'rolling'] as const

export function createOperators(simulation: Simulation) {
  const { scheduler, scenario, store } = simulation
  const random = randomOf(scenario.seed, 'operators')
  const journal = operatorJournal(simulation)
  let typed = 0
  let done = false
  let lastDeploy: number | null = null
  let stable = ''
  let lastSeq = 0
  let quietSinceMs = 0

  async function type(operation: Operation): Promise<void> {
    try {
      const command = await commandOf(operation)
      if (!command) return
      if (!operation.blind && !admit(store.state, command, simulation.wall()).allowed) return
      await journal.post(command, ana)
      scheduler.after(20, simulation.processes.ensure)
    } catch (error) {
      if (!(error instanceof OperatingError))
        simulation.violate('kill it anywhere', `typing crashed: ${(error as Error).stack}`)
    }
  }

  async function commandOf(operation: Operation): Promise<Command | null> {
    const { verb, version = 'v1' } = operation
    const context = contextFor(version)
    switch (verb) {
      case 'deploy': {
        const plan = await planDeploy(context, {
          version,
          ...(operation.strategy ? { strategy: operation.strategy } : {}),
          again: operation.again ?? false,
        })
        return (
          plan &&
          deployCommand(plan, { version, supersede: operation.supersede ?? false, again: operation.again ?? false })
        )
      }
      case 'rollback': {
        const to = operation.to ?? 'undo'
        return rollbackCommand(context, to === 'version' ? { to, version } : { to })
      }
      case 'retry':
        return retryCommand(context)
      case 'resolve': {
        const step = store.state.release && currentStep(store.state.release)
        const hook = step?.kind === 'hook' ? step.name : 'before'
        return { verb, hook, as: operation.as ?? 'done' }
      }
      default:
        return { verb }
    }
  }

  /** The project as it is checked out when this version is typed. */
  function contextFor(version: string): Context {
    const { replicas } = scenario.versions[version] ?? scenario.versions['v1']!
    const services = simulation.config.services.map((service) => ({ ...service, replicas }))
    const environment = simulation.config.environments['production']!
    const chosen = scenario.settings(environment.settings)
    const patient = { ...chosen.waits, onUnknown: 'hold', onNoTraffic: 'advance-on-health' } as const
    const blueGreen = { ...chosen.blueGreen, preSwitchPercent: 0 }
    const settings = version === LAST_VERSION ? { ...chosen, blueGreen, waits: patient } : chosen
    const config: Config = {
      ...simulation.config,
      services,
      environments: { production: { ...environment, settings } },
    }
    return {
      config,
      environment: config.environments['production']!,
      journal,
      platform: { workloads: { capabilities: { slots: ['blue', 'green'] } } } as unknown as Context['platform'],
      host: null as unknown as Context['host'],
      smokeUrl: async () => [],
      clock: null as unknown as Context['clock'],
      actor: ana,
      versions: {
        revisions: async () =>
          Object.fromEntries(services.map(({ name }) => [name, revisionOf(config, name, version)])),
      },
    }
  }

  // --- the end ----------------------------------------------------------------------------------------------

  function look() {
    scheduler.after(500, look)
    const { state, commands } = store
    simulation.processes.ensure()
    const answered = commands.length <= state.lastCommandId
    if (!state.release && !state.queued && answered) return onQuiet()
    if (state.seq !== lastSeq) {
      lastSeq = state.seq
      quietSinceMs = scheduler.nowMs()
    }
    const wait = state.release?.wait ?? null
    const patienceMs = wait?.needsPerson ? 3_000 : PATIENCE_MS
    if (scheduler.nowMs() - quietSinceMs >= patienceMs) obey(wait?.next ?? null, wait?.blocker ?? 'nothing is said')
  }

  /** Whatever has happened: a good version can still be shipped. */
  function onQuiet() {
    const { state } = store
    if (lastDeploy === null) {
      simulation.checks.atEnd()
      lastDeploy = state.releaseCount + 1
      stable = Object.values(state.services)
        .map((one) => `${one.stable?.slot} ${one.stable?.revision.id}`)
        .join(', ')
      typed = 0
      void type({
        atMs: 0,
        points: null,
        verb: 'deploy',
        version: LAST_VERSION,
        strategy: simulation.checks.hasInsisted() ? 'blue-green' : random.pick(strategies),
        again: true,
        blind: true,
      })
      return
    }
    if (state.releaseCount < lastDeploy) return
    done = true
    if (scenario.services.some((service) => state.services[service]?.stable?.revision.version !== LAST_VERSION))
      simulation.violate(
        'a good version can always be shipped',
        `${LAST_VERSION}: ${state.last?.outcome}, ${state.last?.cause?.reason}`,
      )
  }

  /** Does what the screen says. */
  function obey(next: string | null, blocker: string) {
    quietSinceMs = scheduler.nowMs()
    const words = [...(next ?? '').matchAll(/moodify ([a-z]+)(?: --(done|redo) (\w+))?/g)]
    const commands = words.flatMap(([, verb, as, hook]): Command[] => {
      if (verb === 'resume') return [{ verb: 'resolve', hook: hook!, as: as as 'done' | 'redo' }]
      if (verb === 'rollback') return [{ verb, to: 'undo', plan: null }]
      if (verb === 'promote' || verb === 'abort' || verb === 'continue') return [{ verb }]
      return verb === 'retry' ? [{ verb, plan: null }] : []
    })
    const where = `step ${store.state.release ? (currentStep(store.state.release)?.id ?? 'end') : 'none'}, ${blocker}`
    if (commands.length === 0)
      return simulation.violate('every state has an exit', `${where}: "${next}" names no way out`)
    if (++typed > MOST_COMMANDS)
      return simulation.violate('every state has an exit', `${where}: obeyed ${typed} times in vain`)
    const promote = commands.find(({ verb }) => verb === 'promote')
    const command = lastDeploy !== null && promote ? promote : random.pick(commands)
    const admission = admit(store.state, command, simulation.wall())
    if (!admission.allowed)
      return simulation.violate('every state has an exit', `${where}: "${next}" is refused: ${admission.because}`)
    void journal.post(command, ana)
    scheduler.after(20, simulation.processes.ensure)
  }

  for (const operation of scenario.operations) {
    simulation.arm({ fromMs: operation.atMs, points: operation.points }, () => {
      if (scheduler.nowMs() < scenario.calmAtMs) void type(operation)
    })
  }
  scheduler.at(scenario.calmAtMs, () => {
    quietSinceMs = scheduler.nowMs()
    look()
  })

  return { isDone: () => done, stable: () => stable }
}

export type Operators = ReturnType<typeof createOperators>

function revisionOf(config: Config, service: string, version: string): Revision {
  const found = config.services.find((one) => one.name === service)!
  // The frontend changes with every second version only.
  const number = service === 'frontend' ? Math.floor(Number(version.slice(1)) / 2) * 2 || 1 : Number(version.slice(1))
  return {
    id: `${service}-${number}`,
    service,
    version: `v${number}`,
    workload: {
      source: { kind: 'directory', path: `/versions/${version}`, digest: version },
      directory: '.',
      build: found.build,
      start: found.start,
      env: found.env,
      envFile: null,
      probes: found.probes,
      graceMs: found.graceMs,
      drainMs: found.drainMs,
      memoryLimitMb: null,
    },
  }
}
