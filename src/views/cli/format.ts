// Numbers and times as a tired person reads them best. What is not known is `–`, never `NaN` or `0`.

const NOT_KNOWN = '–'

/** `0.4 s`, `45 s`, `3 min 12 s`, `1 h 5 min`, `2 d 3 h`; `–` when not known. */
export function duration(ms: number | null): string {
  if (ms === null || !Number.isFinite(ms)) return NOT_KNOWN
  const total = Math.max(0, ms)
  if (total < 9950 && total % 1000 !== 0) return `${Math.round(total / 100) / 10} s`
  const seconds = Math.round(total / 1000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return twoUnits(Math.floor(seconds / 60), 'min', seconds % 60, 's')
  const minutes = Math.round(seconds / 60)
  if (minutes < 24 * 60) return twoUnits(Math.floor(minutes / 60), 'h', minutes % 60, 'min')
  const hours = Math.round(minutes / 60)
  return twoUnits(Math.floor(hours / 24), 'd', hours % 24, 'h')
}

function twoUnits(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`
}

/**
 * `0 %`, `4.2 %`, `100 %`; `–` when not known. Never rounds a failure away: `< 0.1 %`, `> 99.9 %`.
 *
 * @param value percent, 0 to 100
 */
export function percent(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return NOT_KNOWN
  if (value > 0 && value < 0.1) return '< 0.1 %'
  if (value > 99.9 && value < 100) return '> 99.9 %'
  return `${Math.round(value * 10) / 10} %`
}

/**
 * `≤ 25 ms`, `≤ 1.5 s`, `> 30 s`; `–` when not known.
 *
 * @param edgeMs upper edge of the histogram bucket that holds the quantile: the true value is at most that
 */
export function latency(edgeMs: number | null): string {
  if (edgeMs === null || Number.isNaN(edgeMs)) return NOT_KNOWN
  if (edgeMs === Number.POSITIVE_INFINITY) return '> 30 s'
  return edgeMs < 1000 ? `≤ ${edgeMs} ms` : `≤ ${edgeMs / 1000} s`
}

/** `12.3`, `1,204`: requests per second. */
export function rate(perSecond: number | null): string {
  if (perSecond === null || !Number.isFinite(perSecond)) return NOT_KNOWN
  return perSecond < 100 ? `${Math.round(perSecond * 10) / 10}` : Math.round(perSecond).toLocaleString('en-US')
}

/** `1 replica`, `1,080 requests` */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString('en-US')} ${noun}${number === 1 ? '' : 's'}`
}

export interface TimeOptions {
  /** IANA name such as `Europe/Berlin`; the machine's own when left out. */
  readonly timeZone?: string
  /** ISO time; the date is put before a time of another day than this. */
  readonly now?: string
}

/** `10:00:05` in local time, or `2026-01-05 23:59:58` when that is another day than `now`. */
export function localTime(iso: string, { timeZone, now }: TimeOptions = {}): string {
  const { date, time } = local(iso, timeZone)
  return now !== undefined && local(now, timeZone).date !== date ? `${date} ${time}` : time
}

/** `2026-01-06 10:00:05` in local time. */
export function localDateTime(iso: string, { timeZone }: TimeOptions = {}): string {
  const { date, time } = local(iso, timeZone)
  return `${date} ${time}`
}

function local(iso: string, timeZone: string = Temporal.Now.timeZoneId()): { date: string; time: string } {
  const there = Temporal.Instant.from(iso).toZonedDateTimeISO(timeZone)
  return { date: there.toPlainDate().toString(), time: there.toPlainTime().toString({ smallestUnit: 'second' }) }
}
