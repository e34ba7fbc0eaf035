// What every relative statistic takes: four integers, of both versions over the same stretch of time.

export interface Tally {
  readonly units: number
  /** At most `units`. */
  readonly bad: number
}

export interface Comparison {
  readonly canary: Tally
  readonly stable: Tally
}

export const nothing: Tally = { units: 0, bad: 0 }

export function addTallies(a: Tally, b: Tally): Tally {
  return { units: a.units + b.units, bad: a.bad + b.bad }
}
