/** `1,080` */
export function numberInWords(count: number): string {
  return count.toLocaleString('en-US')
}

/** `1 replica`, `1,080 requests` */
export function countInWords(count: number, noun: string): string {
  return `${numberInWords(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** `25.8 %`, `0.123 %`; `0 %` of nothing. */
export function percentInWords(part: number, whole: number): string {
  const percent = whole === 0 ? 0 : (part / whole) * 100
  return `${percent.toLocaleString('en-US', { maximumSignificantDigits: 3 })} %`
}
