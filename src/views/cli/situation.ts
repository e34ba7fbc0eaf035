// What users get at this moment, in sentences: the first thing on every screen, and the last word of every error.
import type { ServiceReport, SlotReport, StatusReport } from '../projections/status-report.ts'
import { count } from './format.ts'

/**
 * `v1.0.0 serves 90 %, v1.1.0 serves 10 % as candidate`: one sentence where all services say the same, else one a
 * service, with its name. The last one also says what is going on.
 */
export function situation(report: StatusReport): readonly string[] {
  if (report.url === null) return ['the platform is down: users get nothing']
  const serving = report.services.map((service) => ({ name: service.name, says: serviceInWords(service, report) }))
  const sentences = new Set(serving.map(({ says }) => says))
  const lines = sentences.size === 1 ? [...sentences] : serving.map(({ name, says }) => `${name}: ${says}`)
  const going = whatGoesOn(report)
  return going === null ? lines : [...lines.slice(0, -1), [...lines.slice(-1), going].join('; ')]
}

export interface Alert {
  readonly says: string
  /** The command that shows more, or mends it. */
  readonly next: string
}

/** What needs a person now, most important first; empty when all is calm. */
export function alerts(report: StatusReport): readonly Alert[] {
  const { release, missing, damage } = report
  const damaged: Alert[] = damage
    ? [{ says: `JOURNAL DAMAGED: ${damage}; what stands here of releases ends before it`, next: 'moodify doctor' }]
    : []
  if (report.url === null) return damaged
  const unwatched: Alert[] =
    report.unwatched && release
      ? [{ says: `UNWATCHED: no runner watches ${release.id}, nobody would take it back`, next: 'moodify resume' }]
      : []
  const unseen = missing.map((what): Alert => ({ says: `not everything can be seen: ${what}`, next: 'moodify doctor' }))
  const slots = report.services.flatMap((service) => service.slots.map((slot) => ({ service: service.name, slot })))
  const silent = slots.filter(({ slot }) => slot.sharePercent > 0 && slot.ready === 0 && missing.length === 0)
  const looping = slots.filter(({ slot }) => slot.crashLooping)
  return [
    ...silent.map(({ service, slot }) => ({
      says: `USERS GET ERRORS: ${service} ${slot.slot} has ${slot.sharePercent} % of the traffic and no ready replica`,
      next: `moodify logs --slot ${slot.slot}`,
    })),
    ...damaged,
    ...unwatched,
    ...unseen,
    ...looping.map(({ service, slot }) => ({
      says: `${service} ${slot.version ?? ''} in ${slot.slot} keeps exiting (${count(slot.restarts, 'restart')})`,
      next: `moodify logs --slot ${slot.slot}`,
    })),
  ]
}

function serviceInWords(service: ServiceReport, { missing }: StatusReport): string {
  const carrying = service.slots.filter((slot) => slot.sharePercent > 0)
  if (carrying.length === 0) return missing.length > 0 ? 'what serves users is not known' : 'nothing serves users yet'
  return carrying
    .toSorted((a, b) => b.sharePercent - a.sharePercent)
    .map(slotInWords)
    .join(', ')
}

function slotInWords(slot: SlotReport): string {
  const share = slot.sharePercent === 100 ? 'everything' : `${slot.sharePercent} %`
  const serving = servingVersions(slot)
  if (serving.length > 1) {
    const mix = serving.map((version) => `${version} (${count(slot.readyByVersion[version] ?? 0, 'replica')})`)
    return `${mix.join(' and ')} serve ${share}`
  }
  const as = slot.role === 'candidate' ? ' as candidate' : ''
  return `${serving[0]} serves ${share}${as}`
}

/** A slot that rolls is meant to run one version and serves another. */
function servingVersions({ slot, version, readyByVersion }: SlotReport): readonly string[] {
  const ready = Object.keys(readyByVersion)
  return ready.length > 0 ? ready : [version ?? slot]
}

function whatGoesOn({ phase, release, services }: StatusReport): string | null {
  switch (phase) {
    case 'empty':
      return null
    case 'settled':
      return 'no release is running'
    case 'forward': {
      const carrying = services.flatMap(({ slots }) => slots.filter(({ sharePercent }) => sharePercent > 0))
      const hasTraffic = carrying.some((slot) => servingVersions(slot).includes(release?.version ?? ''))
      return hasTraffic || release === null ? null : `${release.version} is being prepared and serves nobody yet`
    }
    case 'approval':
      return `${release?.version} waits for approval`
    case 'paused':
      return 'the release is paused'
    case 'held':
      return 'the release holds and needs a person'
    case 'keeping':
      return 'the version before is kept warm'
    case 'back':
      return `${release?.version} is being taken back`
  }
}
