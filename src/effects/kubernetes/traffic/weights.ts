// Shares of slots as weights of destinations, and back. Pure.
//
// A route object sends to Services. A slot whose own Service is a destination has its weight there. All others are
// reached through the public Service, one at a time, as its selector says: the two colours share one destination.
import type { Shares, SlotName } from '../../../domain/names.ts'
import { OperatingError } from '../../../errors/catalogue.ts'
import type { RoutedService, SlotDestination } from './plane.ts'

/** Weight per destination's Service name; a ratio, whatever it adds up to. */
export type Weights = Readonly<Record<string, number>>

export interface RouteIntent {
  readonly weights: Weights
  /** The slot that the public Service must select, or null when it gets nothing and may stay as it is. */
  readonly publicSlot: SlotName | null
}

/**
 * @param destinations  Services that the split rule of the route names
 * @throws OperatingError PLATFORM_FAILED when the route cannot share like this
 */
export function intentOf(service: RoutedService, destinations: readonly string[], shares: Shares): RouteIntent {
  const weights: Record<string, number> = Object.fromEntries(destinations.map((name) => [name, 0]))
  let publicSlot: SlotName | null = null
  for (const [slot, share] of Object.entries(shares)) {
    if (share === 0) continue
    const destination = destinationOf(service, destinations, slot)
    if (destination === null) throw cannotShare(service, shares, `no destination leads to ${slot}`)
    if (isPublic(service, slot, destination)) {
      if (publicSlot) throw cannotShare(service, shares, `${publicSlot} and ${slot} are behind one Service`)
      publicSlot = slot
    }
    weights[destination] = (weights[destination] ?? 0) + share
  }
  return { weights: wholePercents(weights), publicSlot }
}

/** Shares that weights give, when the public Service shares its part out as told. */
export function sharesOf(service: RoutedService, weights: Weights, publicShares: Shares): Shares {
  const destinations = Object.keys(weights)
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0)
  if (total === 0) return {}
  const percentOf = (destination: string | null) => (destination ? ((weights[destination] ?? 0) * 100) / total : 0)
  const shares = Object.keys(service.slots).map((slot): [SlotName, number] => {
    const destination = destinationOf(service, destinations, slot)
    const part = isPublic(service, slot, destination) ? (publicShares[slot] ?? 0) / 100 : 1
    return [slot, Math.round(percentOf(destination) * part * 10) / 10]
  })
  return Object.fromEntries(shares.filter(([, share]) => share > 0))
}

/** The Service by which each slot gets its requests; a slot behind the public one only while that selects it alone. */
export function slotDestinations(
  service: RoutedService,
  destinations: readonly string[],
  selected: readonly SlotName[],
): SlotDestination[] {
  return Object.keys(service.slots).flatMap((slot) => {
    const destination = destinationOf(service, destinations, slot)
    const isOthers = isPublic(service, slot, destination) && (selected.length !== 1 || selected[0] !== slot)
    return destination === null || isOthers ? [] : [{ slot, service: destination }]
  })
}

/** The Services that can be destinations of this service's route. */
export function knownDestinations(service: RoutedService): ReadonlySet<string> {
  const own = Object.values(service.slots).flatMap((slot) => slot.service ?? [])
  return new Set([service.publicService, ...own])
}

/** Only a rule with two places to go shares anything; a rule that pins testers has one, and is left alone. */
export function isSplit(service: RoutedService, destinations: readonly string[]): boolean {
  const known = knownDestinations(service)
  return new Set(destinations.filter((name) => known.has(name))).size > 1
}

function destinationOf(service: RoutedService, destinations: readonly string[], slot: SlotName): string | null {
  const routed = service.slots[slot]
  if (!routed) return null
  if (routed.service !== null && destinations.includes(routed.service)) return routed.service
  return destinations.includes(service.publicService) ? service.publicService : null
}

function isPublic(service: RoutedService, slot: SlotName, destination: string | null): boolean {
  return destination === service.publicService && service.slots[slot] !== undefined
}

/** Weights are whole numbers; the largest takes what rounding leaves. */
function wholePercents(weights: Weights): Weights {
  const rounded = Object.entries(weights).map(([name, weight]): [string, number] => [name, Math.round(weight)])
  const missing = 100 - rounded.reduce((sum, [, weight]) => sum + weight, 0)
  const largest = rounded.toSorted(([, a], [, b]) => b - a)[0]!
  largest[1] += missing
  return Object.fromEntries(rounded)
}

function cannotShare(service: RoutedService, shares: Shares, why: string): OperatingError {
  const asked = Object.entries(shares).map(([slot, share]) => `${share} % ${slot}`)
  return new OperatingError(
    'PLATFORM_FAILED',
    `The route of ${service.name} cannot give ${asked.join(', ')}: ${why}; nothing was changed.`,
    'Ship it with another strategy, or give the route a destination for the slot.',
  )
}
