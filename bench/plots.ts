// `node bench/plots.ts`: draws the pictures of docs/judgement.md into docs/images, from the code that judges. Seeded, so
// they only change with it.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BoundaryState, spendOn, startOfBoundary } from '../src/analysis/conditional-boundary.ts'
import { binomial, chanceFrom } from './simulation/chance.ts'
import { judgeNames, simulateStage } from './simulation/one-stage.ts'
import { axes, type Frame, line, logScale, mark, scale, svg, text } from './support/svg.ts'

const images = join(import.meta.dirname, '..', 'docs', 'images')
const MOST_BAD = 40
/** Of the first of three stages, as shipped. */
const RULES = { alpha: 0.002, oddsRatio: 1.25 }
const colours = { limit: '#b3261e', bad: '#d97706', good: '#15803d', quiet: '#64748b' }

writeFileSync(join(images, 'boundary.svg'), boundaryPlot())
writeFileSync(join(images, 'errors-served.svg'), errorsServedPlot())

/** Where the exact test takes back, and the ways of a good and a bad canary, one bad cell after the other. */
function boundaryPlot(): string {
  const frame: Frame = { width: 800, height: 360, left: 60, top: 40, right: 230, bottom: 50 }
  const x = scale([0, MOST_BAD], [frame.left, frame.width - frame.right])
  const y = scale([0, 20], [frame.height - frame.bottom, frame.top])
  const at = ([bad, own]: readonly [number, number]) => [x(bad), y(own)] as const
  const limit = (share: number) => waysOf(() => share).map(({ bad, crossesAt }) => [bad, crossesAt] as const)
  const visible = (points: readonly (readonly [number, number])[]) => points.filter(([bad, own]) => own <= bad)
  const [tenth, half] = [visible(limit(0.1)), visible(limit(0.5)).filter(([, own]) => own <= 20)]
  // Of ten cells that are bad in a canary that is ten times as bad, more than half are its own.
  const worse = waysOf(() => 0.1, 0.53, 3)
  const crossing = worse.findIndex(({ crossed }) => crossed)
  const bad = worse.slice(0, crossing + 1).map((state) => [state.bad, state.canaryBad] as const)
  const good = waysOf(() => 0.1, 0.1, 5).map((state) => [state.bad, state.canaryBad] as const)
  const end = bad.at(-1)!
  return svg(frame, [
    text([frame.left, 20], 'The exact test: how many of the bad cells may be the canary’s', { weight: 600 }),
    axes(frame, {
      x,
      y,
      xTicks: [0, 10, 20, 30, 40],
      yTicks: [0, 5, 10, 15, 20],
      xName: 'bad cells of both versions',
      yName: 'of these the canary’s',
    }),
    line(half.map(at), colours.limit, { dash: '5 4' }),
    line(tenth.map(at), colours.limit),
    line([[0, 0] as const, ...bad].map(at), colours.bad),
    line([[0, 0] as const, ...good].map(at), colours.good),
    mark(at(end), colours.bad),
    text([x(tenth.at(-1)![0]) + 8, y(tenth.at(-1)![1]) + 4], 'goes back, at 10 % of the cells', {
      colour: colours.limit,
    }),
    text([x(half.at(-1)![0]) + 8, y(20) + 4], 'goes back, at 50 %', { colour: colours.limit }),
    text([x(end[0]) + 10, y(end[1]) + 16], 'ten times as bad: taken back', { colour: colours.bad }),
    text([x(MOST_BAD) + 8, y(good.at(-1)![1]) + 4], 'as good as stable', { colour: colours.good }),
  ])
}

/** States after 1, 2, … bad cells, of which each is the canary's with a probability. */
function waysOf(shareOfCells: () => number, own = 0, seed = 1): readonly BoundaryState[] {
  const chance = chanceFrom(seed, 0)
  const cells = 1000
  const states: BoundaryState[] = []
  let state = startOfBoundary
  for (let bad = 1; bad <= MOST_BAD; bad++) {
    const canaryBad = own > 0 && binomial(chance, 1, own) === 1 ? 1 : 0
    const canary = { units: cells * shareOfCells(), bad: canaryBad }
    const stable = { units: cells * (1 - shareOfCells()), bad: 1 - canaryBad }
    state = spendOn(state, { canary, stable }, RULES)
    states.push(state)
  }
  return states
}

/** Failed requests until it is found, beside other tools. */
function errorsServedPlot(): string {
  const rates = [0.005, 0.01, 0.05, 0.2]
  const frame: Frame = { width: 760, height: 340, left: 60, top: 40, right: 130, bottom: 50 }
  const x = logScale([0.004, 0.25], [frame.left, frame.width - frame.right])
  const y = logScale([1, 5000], [frame.height - frame.bottom, frame.top])
  const found = rates.map((canaryRate) => ({ canaryRate, ...simulateStage({ trials: 1000, seed: 7, canaryRate }) }))
  const lines = judgeNames.map((name) => {
    const points = found.flatMap((one) => (one[name].errors ? [[x(one.canaryRate), y(one[name].errors)] as const] : []))
    const colour = name === 'moodify' ? colours.good : colours.quiet
    const [endX, endY] = points.at(-1)!
    return [
      line(points, colour, name === 'moodify' ? {} : { dash: '5 4' }),
      ...points.map((point) => mark(point, colour)),
      text([endX + 10, endY + 4], name, { colour }),
    ].join('\n')
  })
  return svg(frame, [
    text([frame.left, 20], 'Failed requests until a canary at 10 % of 50 requests/s is taken back', { weight: 600 }),
    axes(frame, {
      x,
      y,
      xTicks: rates,
      yTicks: [1, 10, 100, 1000],
      xName: 'share of its requests that the canary fails (stable: 0.1 %)',
      yName: 'failed requests',
      xLabel: (rate) => `${rate * 100} %`,
    }),
    ...lines,
  ])
}
