// Worlds that have found a bug. Each is named after what it found; `npm run mutate` puts most of these bugs back and
// shows that they are still found. A seed means another world when the way worlds are made changes: then take a new
// one from there.
import { expect, it } from 'vitest'
import { simulate } from './simulation.ts'

const found: readonly (readonly [seed: number, what: string])[] = [
  [3, 'time in which a step could not start was counted as time of the step, and its deadline passed at once'],
  [14, 'a failed effect was repeated without a look at whether its target was still ready'],
  [26, 'a runner crashed when the journal refused a checkpoint'],
  [30, 'a keep time ended early by as long as the snapshot before it had taken'],
  [35, 'an old version that had died kept a good one from taking over step by step'],
  [137, 'a first version that was superseded with traffic on it was left without a role, and nothing could be shipped'],
  [143, 'a slot was ended because of a snapshot older than the one before it'],
  [155, 'a slot counted as empty because of a snapshot from before the last write to it'],
  [173, 'a release whose old version could not be brought back had no way out'],
  [196, 'a write that was still under way landed after the one that was to undo it'],
  [235, 'a snapshot did not age while an append took its time'],
  [256, 'an analysis passed while the platform could not be seen'],
  [292, 'users were back on stable after a broken journal, and the release went on without them'],
  [459, 'a queued plan started although the roles had changed since it was made'],
  [810, 'a source of counts that had never answered was trusted for its first seconds'],
  [821, 'a runner crashed when another one took over while it was taking over'],
  [927, 'a rollback was refused because the plan that it did not need was stale'],
  [106_867, 'a command that came between two releases took the place of the queued one'],
  [111_991, 'after a person had left a route as it was, the roles did not follow it'],
  [113_237, 'a source of counts that fell silent was taken for a quiet system'],
  [116_166, 'a rollback sent users to a slot that had been warm before it was ended'],
  [134_254, 'a runner that had nothing to write never noticed that another one had taken over'],
  [139_999, 'the time of a slow append was counted twice by the judge, and its window looked empty'],
  [994, 'a broken journal sent users away from the new stable version'],
]

it.each(found)('seed %i: %s', async (seed) => {
  const { violations } = await simulate({ seed })
  expect(violations).toEqual([])
})
