const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `90s`, `30m`, `2h`, `1d`, `1.5h` in milliseconds; null for anything else, and for nothing. */
export function durationFrom(text: string): number | null {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text) ?? []
  const ms = Math.round(Number(number ?? 0) * (UNITS_MS[unit ?? ''] ?? 0))
  return ms > 0 ? ms : null
}

/** `5 min`, `90 s`, `0.5 s` */
export function durationInWords(ms: number): string {
  if (ms >= 3_600_000 && ms % 3_600_000 === 0) return `${ms / 3_600_000} h`
  if (ms >= 120_000 && ms % 60_000 === 0) return `${ms / 60_000} min`
  return `${Math.round(ms / 100) / 10} s`
}
