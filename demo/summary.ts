// What happened, in one table, and whether all of it is what was promised.
import type { Style } from '../src/views/cli/style.ts'
import type { TrafficReport } from './traffic.ts'

export interface Act {
  readonly version: string
  readonly what: string
  /** `back`: taken back because somebody asked. */
  readonly expected: keyof typeof endings
  /** Exit code of the command. */
  readonly code: number
  readonly seconds: number
  /** Requests that were answered with an error or slowly while it ran. */
  readonly hurt: number
  readonly outcome: string
  readonly reason: string
  readonly release: string
}

export interface Ending {
  readonly acts: readonly Act[]
  readonly report: TrafficReport
  readonly killedPid: number | null
  readonly takeOvers: number
  readonly liveVersion: string | null
}

/** What each ending is: the outcome in the journal, and the exit code of the command. */
const endings = {
  released: { outcome: 'released', code: 0 },
  'taken back': { outcome: 'rolled-back', code: 3 },
  back: { outcome: 'rolled-back', code: 0 },
} as const

interface Claim {
  readonly text: string
  readonly holds: boolean
}

/** Share of requests that bad versions may hurt before something is wrong with finding them. */
const MOST_HURT_SHARE = 0.05

function claimsOf({ acts, report, killedPid, takeOvers, liveVersion }: Ending): Claim[] {
  return [
    ...acts.map(({ version, what, expected, code, outcome }) => ({
      text: `${version} (${what}) ended as ${expected}`,
      holds: outcome === endings[expected].outcome && code === endings[expected].code,
    })),
    {
      text: `the runner was killed with -9 and another one went on (${takeOvers} take-over)`,
      holds: killedPid !== null && takeOvers > 0,
    },
    { text: 'the version that the rollback went to is live', holds: liveVersion === 'v1.0.0' },
    {
      text: 'the bad versions hurt some requests, and few',
      holds: hurtByBad(acts) > 0 && hurtByBad(acts) < MOST_HURT_SHARE * report.requests,
    },
    { text: 'the platform dropped no request', holds: report.dropped === 0 && report.requests > 5000 },
    { text: 'the client could send all that was due', holds: report.notSent === 0 && report.ownFailures === 0 },
  ]
}

/** A busy machine answers slowly now and then, whatever the version: that is not counted against the bad ones. */
function hurtByBad(acts: readonly Act[]): number {
  return acts.filter(({ expected }) => expected === 'taken back').reduce((sum, { hurt }) => sum + hurt, 0)
}

/** Prints the summary. @returns whether every claim holds */
export function printSummary(ending: Ending, say: (line?: string) => void, style: Style): boolean {
  const { acts, report } = ending
  say(`\n${style.bold(style.cyan('Summary'))}`)
  for (const { version, release, outcome, seconds, hurt, reason } of acts) {
    say(
      `  ${release.padEnd(4)}  ${version}  ${outcome.padEnd(11)}  ${seconds.toFixed(1).padStart(5)} s  ${String(hurt).padStart(4)} hurt  ${reason}`,
    )
  }
  const bound = report.droppedUpperBound95
  const share = bound === null ? '' : ` (so fewer than ${(bound * 1e6).toFixed(0)} in a million, with 95 % confidence)`
  say('')
  say(
    `  requests sent                      ${report.requests.toLocaleString('en-US')} in ${(report.elapsedMs / 1000).toFixed(0)} s`,
  )
  say(`  hurt while bad versions were out   ${hurtByBad(acts)}`)
  say(`  hurt in all                        ${report.hurt} (${report.errors} errors, ${report.slow} slow)`)
  say(`  dropped by the platform            ${report.dropped}${share}`)
  for (const drop of report.drops.slice(0, 5)) say(`    ${JSON.stringify(drop)}`)
  say('')
  const claims = claimsOf(ending)
  for (const { text, holds } of claims) say(`  ${holds ? style.green('yes') : style.red('NO ')}  ${text}`)
  return claims.every(({ holds }) => holds)
}
