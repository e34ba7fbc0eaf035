// A failing run is made smaller: kinds of faults, single faults and commands are left out one after the other, and
// what the failure does not need stays out.
import { type FaultKind, makeScenario, nothingOmitted, type Omitted, type ScenarioName } from './scenario.ts'
import { type RunResult, simulate } from './simulation.ts'

export async function shrink(
  seed: number,
  only: ScenarioName | null,
): Promise<{ omitted: Omitted; result: RunResult }> {
  const whole = makeScenario(seed, only)
  const check = (await simulate({ seed, only })).violations[0]?.check
  let omitted = nothingOmitted
  const tryWithout = async (more: Omitted) => {
    const result = await simulate({ seed, only, omitted: more })
    if (check && result.violations[0]?.check === check) omitted = more
  }
  const kinds = [...new Set(whole.faults.map((fault) => fault.kind))]
  for (const kind of kinds) await tryWithout({ ...omitted, kinds: [...omitted.kinds, kind as FaultKind] })
  for (const index of whole.faults.keys()) {
    if (omitted.kinds.includes(whole.faults[index]!.kind)) continue
    await tryWithout({ ...omitted, faults: [...omitted.faults, index] })
  }
  for (const index of whole.operations.keys()) {
    if (index > 0) await tryWithout({ ...omitted, operations: [...omitted.operations, index] })
  }
  return { omitted, result: await simulate({ seed, only, omitted, traced: true }) }
}

/** What a person reads: what was left in, and what happened. */
export async function report(seed: number, only: ScenarioName | null): Promise<string> {
  const { omitted, result } = await shrink(seed, only)
  const scenario = makeScenario(seed, only, omitted)
  const versions = Object.entries(scenario.versions).filter(([name]) =>
    result.trace.some((line) => line.includes(name)),
  )
  return [
    `seed ${seed}, scenario ${result.scenario}: ${result.violations.map(({ check, text }) => `${check}: ${text}`).join('; ')}`,
    `reproduce: npm run simulate -- --seed ${seed} --runs 1${only ? ` --only ${only}` : ''}`,
    '',
    `versions: ${versions.map(([name, { kind, afterMs }]) => `${name} ${kind}${afterMs > 0 ? ` after ${afterMs} ms` : ''}`).join(', ')}`,
    `faults:   ${scenario.faults.map(({ kind, fromMs, lastsMs, points }) => `${kind} at ${fromMs} ms${points === null ? '' : ` + ${points} points`} for ${lastsMs} ms`).join(', ') || 'none'}`,
    `typed:    ${scenario.operations.map(({ atMs, points, verb, version, strategy }) => `${verb}${verb === 'deploy' ? ` ${version} ${strategy}` : ''} at ${atMs} ms${points === null ? '' : ` + ${points} points`}`).join(', ')}`,
    '',
    ...result.trace,
  ].join('\n')
}
