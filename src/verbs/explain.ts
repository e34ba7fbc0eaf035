import type { JournalRecord } from '../engine/record.ts'
import { OperatingError } from '../errors/catalogue.ts'
import { type Context, readHistory, readWhatIsWhole } from './context.ts'

/**
 * Every record of a release in order, with the runners that took over in it; of the newest one without a name.
 *
 * @throws OperatingError UNKNOWN_RELEASE
 */
export async function explain(
  context: Context,
  release?: string,
): Promise<{ readonly records: readonly JournalRecord[]; readonly damage: string | null }> {
  const { records, damage } = await (release === undefined ? readWhatIsWhole(context) : readHistory(context))
  const started = records.flatMap(({ body }) => (body.kind === 'releaseStarted' ? [body.release] : []))
  const wanted = release ?? started.at(-1)
  if (!wanted || !started.includes(wanted)) {
    const known = started.length === 0 ? 'there is none yet' : `known: ${started.slice(-5).join(', ')}`
    throw new OperatingError(
      'UNKNOWN_RELEASE',
      `no release ${release ?? ''} in ${context.environment.name}; ${known}`,
      'moodify history',
    )
  }
  const mine = records.filter((record) => record.release === wanted)
  const [first, last] = [mine[0]!.seq, mine.at(-1)!.seq]
  const told = records.filter(
    ({ seq, release: of, body }) => of === wanted || (body.kind === 'epochTaken' && seq > first && seq < last),
  )
  return { records: told, damage }
}
