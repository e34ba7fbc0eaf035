import { scenarios, simulateRamps, upperLimit } from '/work/main/bench/simulation/ramp.ts'

const [trials, layout, ...names] = process.argv.slice(2)
for (const name of names.length ? names : Object.keys(scenarios)) {
  const t = performance.now()
  const r = simulateRamps(name as never, { trials: Number(trials), seed: 7, layout: layout as never })
  console.log(
    name,
    '|',
    r.falseRollbacks,
    'of',
    r.trials,
    'UL',
    (100 * upperLimit(r.falseRollbacks, r.trials)).toFixed(2),
    'alone',
    r.alone,
    JSON.stringify(r.rules),
    'promoted',
    r.promoted / r.trials,
    ((performance.now() - t) / r.trials).toFixed(1) + 'ms each',
  )
}
