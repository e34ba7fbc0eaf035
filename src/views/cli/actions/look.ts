import { readHistory, readWhatIsWhole } from '../../../verbs/context.ts'
import { explain } from '../../../verbs/explain.ts'
import { status } from '../../../verbs/status.ts'
import { historyRows } from '../../projections/history.ts'
import { statusReport } from '../../projections/status-report.ts'
import { eventJson } from '../event-lines.ts'
import { explainText, historyText } from '../explain-text.ts'
import { statusText } from '../status-text.ts'
import { watchRelease } from '../watch-release.ts'
import { type CommonFlags, type Compose, inEnvironment } from './common.ts'

export const statusAction = (compose: Compose) =>
  inEnvironment<CommonFlags & { watch?: boolean }>(compose, async (context, output, flags) => {
    const facts = await status(context)
    const report = statusReport(facts)
    if (flags.watch && facts.state.release) {
      const { id, direction } = facts.state.release
      return watchRelease(context, output, { release: id, afterSeq: facts.state.seq, wantsBack: direction === 'back' })
    }
    output.document(report)
    output.line(statusText(report, output.style, { width: output.width, now: report.at }))
    return 0
  })

export const explainAction = (compose: Compose) =>
  inEnvironment<CommonFlags>(compose, async (context, output, _flags, release) => {
    const { records, damage } = await explain(context, release)
    sayDamage(damage)
    output.document(records.map((record) => JSON.parse(eventJson(record))))
    output.line(explainText(records, output.style, { width: output.width }))
    return 0
  })

export const historyAction = (compose: Compose) =>
  inEnvironment<CommonFlags>(compose, async (context, output) => {
    const { records, damage } = await readHistory(context)
    sayDamage(damage)
    const rows = historyRows(records)
    output.document(rows)
    output.line(historyText(rows, output.style, { width: output.width }))
    return 0
  })

/** On standard error: with --json the other one has a shape of its own. */
function sayDamage(damage: string | null): void {
  if (damage !== null) process.stderr.write(`warning: ${damage}; what stands here ends before it\n`)
}

export const logsAction = (compose: Compose) =>
  inEnvironment<CommonFlags & { slot?: string; follow?: boolean }>(compose, async (context, output, flags) => {
    const { state } = await readWhatIsWhole(context)
    const stop = new AbortController()
    process.once('SIGINT', () => stop.abort())
    const roleSlots = Object.values(state.services).flatMap((service) =>
      flags.slot === 'stable' ? (service.stable?.slot ?? []) : [],
    )
    const candidates = state.release?.plan.members.map((member) => member.to.slot) ?? []
    const named = flags.slot === 'stable' ? roleSlots[0] : flags.slot === 'candidate' ? candidates[0] : flags.slot
    const lines = context.host.logs(
      { environment: context.environment.name, slot: named ?? null, follow: flags.follow ?? false },
      stop.signal,
    )
    for await (const line of lines)
      output.line(`${output.style.dim(`${line.service} ${line.slot} ${line.replica}`)}  ${line.text}`)
    return 0
  })
