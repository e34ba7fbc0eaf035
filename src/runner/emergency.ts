// The journal refuses an append, because the disk is full or broken. The only effect still allowed is the move
// of users' traffic to stable, under the capacity rule (invariants 2 and 5). Its record goes to stderr and into
// a file whose space was allocated before; the release holds until the journal takes records again.
import { mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { capacityRule } from '../domain/capacity.ts'
import type { Shares } from '../domain/names.ts'
import type { Clock } from '../effects/ports/clock.ts'
import type { Platform } from '../effects/ports/platform.ts'
import { type EnvironmentState, emptyService } from '../engine/state.ts'
import type { OperatingError } from '../errors/catalogue.ts'

const SPARE_BYTES = 64 * 1024
const RETRY_MS = 1000

export async function moveToStable(options: {
  platform: Platform
  clock: Clock
  state: EnvironmentState
  epoch: number
  because: OperatingError
  signal: AbortSignal
  report: (text: string) => void
}): Promise<void> {
  const { platform, state, epoch, because, clock, signal } = options
  const { release } = state
  const report = (text: string) => options.report(`${clock.wall()} ${text}`)
  report(`the journal refuses records: ${because.message}`)
  const snapshot = await platform.observer.snapshot()
  for (const member of release?.plan.members ?? []) {
    const facts = snapshot.services[member.service]
    const { service } = member
    const { stable, generation } = state.services[service] ?? emptyService
    if (!stable || !facts || !carriesOther(facts.route.shares, stable.slot)) continue
    const shares = { [stable.slot]: 100 }
    const answer = capacityRule(facts, shares)
    if (!answer.allowed) {
      report(`${service} stays where it is: ${answer.reason}`)
      continue
    }
    const above = Math.max(facts.route.generation, facts.route.behind?.generation ?? 0, generation) + 1
    await platform.traffic.setShares({ service, shares, generation: above }, epoch).then(
      () => report(`${service} was sent back to ${stable.revision.version} in ${stable.slot}`),
      (error: Error) => report(`${service} could not be sent back: ${error.message}`),
    )
  }
  await clock.sleep(RETRY_MS, signal)
}

function carriesOther(shares: Shares, slot: string): boolean {
  return Object.entries(shares).some(([other, share]) => other !== slot && share > 0)
}

/**
 * Reports to stderr and to a file whose space was allocated before, so that a full disk can still be reported on.
 * The file is written round and round.
 */
export function openSpareReport(file: string): (text: string) => void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const descriptor = openSync(file, 'w', 0o600)
  writeSync(descriptor, Buffer.alloc(SPARE_BYTES, ' '), 0, SPARE_BYTES, 0)
  let offset = 0
  return (text) => {
    // Not by process.stderr, which would end the process: where standard error is a file, its disk may be the full one.
    console.error(`moodify: ${text}`)
    const line = Buffer.from(`${text}\n`).subarray(0, SPARE_BYTES)
    if (offset + line.length > SPARE_BYTES) offset = 0
    writeSync(descriptor, line, 0, line.length, offset)
    offset += line.length
  }
}
