// Taking over: fold the journal, take the next epoch, stamp it on everything that will be written, and only
// then look. A runner with a lower epoch is refused from the stamp on.
import type { Clock } from '../effects/ports/clock.ts'
import type { Platform } from '../effects/ports/platform.ts'
import { fold } from '../engine/evolve.ts'
import type { EnvironmentState } from '../engine/state.ts'
import { noWatch, type Watch, watchKey } from '../engine/watch.ts'
import { OperatingError } from '../errors/catalogue.ts'
import type { Journal } from '../journal/journal.ts'

const WATCH_CHECKPOINT_MS = 5000

export async function recover(options: {
  journal: Journal
  platform: Platform
  clock: Clock
  name: string
  version: string
  signal: AbortSignal
}): Promise<{ state: EnvironmentState; watch: Watch; epoch: number } | 'superseded'> {
  const { journal, platform, clock, name, version, signal } = options
  let epoch = await journal.takeEpoch({ name, moodify: version })
  let state: EnvironmentState
  for (;;) {
    const stamped = await stamp(platform, epoch, clock, signal)
    const { base, records } = await journal.newest()
    state = fold(records, base.state)
    if (stamped === 'stamped') break
    if (signal.aborted || state.epoch > epoch) return 'superseded'
    // Nobody else is in this journal, so the platform remembers one that was lost. How far that went is not known.
    epoch = await journal.takeEpoch({ name, moodify: version, above: epoch * 10 })
  }
  const saved = (await journal.checkpoint('watch')) as Pick<Watch, 'key' | 'monitorMs'> | null
  const watch = saved?.key === watchKey(state) ? { ...noWatch, ...saved } : noWatch
  return { state, watch, epoch }
}

/** A part of the platform that is down is waited for: nothing may be written before it knows the epoch. */
async function stamp(
  platform: Platform,
  epoch: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<'stamped' | 'superseded'> {
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      await platform.workloads.takeEpoch(epoch)
      await platform.traffic.takeEpoch(epoch)
      return 'stamped'
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      if (error.code === 'STALE_EPOCH') return 'superseded'
      await clock.sleep(Math.min(2000, 100 * attempt), signal)
    }
  }
  return 'superseded'
}

/** Monitor time survives a kill up to the last checkpoint; what is lost is monitored again. */
export function watchKeeper(journal: Journal, clock: Clock): (watch: Watch) => Promise<void> {
  let savedAtMs = Number.NEGATIVE_INFINITY
  return async ({ key, monitorMs }) => {
    if (monitorMs === 0 || clock.monotonicMs() - savedAtMs < WATCH_CHECKPOINT_MS) return
    savedAtMs = clock.monotonicMs()
    await unlessRefused(journal.saveCheckpoint('watch', { key, monitorMs }))
  }
}

/** A checkpoint that the journal refuses makes a restart later, never earlier: no reason to stop a release. */
export async function unlessRefused(saving: Promise<void>): Promise<void> {
  await saving.catch((error: unknown) => {
    if (!(error instanceof OperatingError)) throw error
  })
}
