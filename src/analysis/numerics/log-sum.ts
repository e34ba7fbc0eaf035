/** ln Σ e^x, without overflow; −∞ of nothing. */
export function logSumExp(logs: readonly number[]): number {
  let largest = Number.NEGATIVE_INFINITY
  for (const log of logs) if (log > largest) largest = log
  if (largest === Number.NEGATIVE_INFINITY) return largest
  let sum = 0
  for (const log of logs) sum += Math.exp(log - largest)
  return largest + Math.log(sum)
}
