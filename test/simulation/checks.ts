// What must be true, said a second time and without a look at src/engine: over the truth of the world and over the
// plan as it was typed. Each check has a name; a violation names it.
//
// The engine cannot know the truth of this moment, only what it has seen. So facts are compared with "was it so at
// any moment since the oldest snapshot that may be trusted".
import { endChecks } from './checks/end.ts'
import { createLedger } from './checks/ledger.ts'
import { recordChecks } from './checks/records.ts'
import { secondChecks } from './checks/seconds.ts'
import { writeChecks } from './checks/writes.ts'
import type { Simulation } from './simulation.ts'

export function createChecks(simulation: Simulation) {
  const { violate } = simulation
  const ledger = createLedger(simulation)
  return {
    ...recordChecks(simulation, ledger),
    ...writeChecks(simulation, ledger),
    ...secondChecks(simulation, ledger),
    ...endChecks(simulation, ledger),

    /** A person has left a route on something that is not ready. */
    hasInsisted: () => ledger.everInsisted.size > 0,

    onSmoke(service: string, slot: string, passed: boolean) {
      ledger.smoked.set(`${service}/${slot}`, passed)
    },

    onFrontRestart() {
      ledger.frontRestartedMs = ledger.now()
    },

    onCells() {
      ledger.answeredAtMs = ledger.now()
    },

    onHook(name: string, of: string, exitCode: number) {
      ledger.hooks.set(name, (ledger.hooks.get(name) ?? 0) + 1)
      const times = (ledger.ran.get(`${of}/${name}`) ?? 0) + 1
      ledger.ran.set(`${of}/${name}`, times)
      const step = ledger.release?.steps.find((one) => one.kind === 'hook' && one.name === name)
      if (step?.kind === 'hook' && step.hook.onUnknown === 'ask' && times > 1 + (ledger.redone.get(name) ?? 0))
        violate('a hook runs once', `${name} of ${of} runs ${times} times, and nobody asked for it`)
      simulation.note(() => `hook ${name} of ${of} runs and ends with ${exitCode}`)
    },

    onTold(event: string, of: unknown, key: string) {
      const known = ledger.told.get(`${of}/${event}`) ?? key
      ledger.told.set(`${of}/${event}`, known)
      if (known !== key)
        violate('a repeat can be told from news', `${event} of ${of} is told as ${known} and as ${key}`)
    },
  }
}

export type Checks = ReturnType<typeof createChecks>
