// Made once: a formatter costs a hundred times what a number in words does.
const plain = new Intl.NumberFormat('en-US')
const threeDigits = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 })

/** `1,080` */
export function numberInWords(count: number): string {
  return plain.format(count)
}

/** `1 replica`, `1,080 requests` */
export function countInWords(count: number, noun: string): string {
  return `${numberInWords(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** `25.8 %`, `0.123 %`; `0 %` of nothing. */
export function percentInWords(part: number, whole: number): string {
  return `${threeDigits.format(whole === 0 ? 0 : (part / whole) * 100)} %`
}
