// Random numbers from a seed, so that every trial can be repeated alone.

export type Chance = () => number

/** Uniform in [0, 1). Source: sfc32 of PractRand, a small generator that passes its tests. */
export function chanceFrom(seed: number, stream: number): Chance {
  let a = seed | 0
  let b = stream | 0
  let c = 0x9e3779b9 | 0
  let counter = 1
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    return (sum >>> 0) / 4_294_967_296
  }
  for (let round = 0; round < 15; round++) next()
  return next
}

/** How many of `units` are bad, each with probability `rate`: jumps from one bad unit to the next. */
export function binomial(chance: Chance, units: number, rate: number): number {
  if (rate <= 0) return 0
  if (rate >= 1) return units
  if (rate > 0.5) return units - binomial(chance, units, 1 - rate)
  const logGood = Math.log1p(-rate)
  let bad = 0
  let at = -1
  for (;;) {
    at += 1 + Math.floor(Math.log1p(-chance()) / logGood)
    if (at >= units) return bad
    bad++
  }
}

/** Source: Knuth's product method; for means up to some hundreds. */
export function poisson(chance: Chance, mean: number): number {
  if (mean > 30) return poisson(chance, mean / 2) + poisson(chance, mean / 2)
  const limit = Math.exp(-mean)
  let product = chance()
  let count = 0
  for (; product > limit; product *= chance()) count++
  return count
}
