// Cells from the statistics of gateways: what users got, errors of the gateway itself included, which no pod has seen.
import type { ServiceName, SlotName } from '../../../domain/names.ts'
import { OperatingError } from '../../../errors/catalogue.ts'
import type { Clock } from '../../ports/clock.ts'
import { type CellsReader, counterCells, type Reading } from './counter-cells.ts'
import { type GatewayService, inFlightOn, readGatewayPage } from './gateway-page.ts'

/** Where a slot's requests are counted, and who serves them now. */
export interface CountedSlot extends GatewayService {
  readonly slot: string
  readonly revision: string
}

export interface GatewayCellsOptions {
  readonly clock: Clock
  /** Metrics pages, one per replica of the gateway, such as `http://127.0.0.1:15000/stats/prometheus`. */
  readonly pages: readonly { readonly name: string; readonly read: () => Promise<string> }[]
  /** The slots of a service that may have requests; those behind the public Service one at a time. */
  readonly slots: (service: ServiceName) => Promise<readonly CountedSlot[]>
}

/** @throws OperatingError PLATFORM_FAILED from `cells` when a gateway does not answer or does not know a Service */
export function gatewayCells({ clock, pages, slots }: GatewayCellsOptions): CellsReader {
  return counterCells({
    clock,
    source: 'gateway',
    async read(service) {
      const counted = await slots(service)
      const readings = pages.map(async ({ name, read }) => {
        const page = readGatewayPage(await read().catch((error: Error) => Promise.reject(unknown(name, error.message))))
        return counted.map((slot): Reading => {
          const counts = page(slot)
          if (!counts) throw unknown(name, `it has no counts of ${slot.service} in ${slot.namespace}`)
          return {
            series: `${name} ${slot.namespace}/${slot.service} ${slot.canaryOf ?? ''}`,
            slot: slot.slot,
            revision: slot.revision,
            replica: `${slot.slot} at ${name}`,
            isShared: true,
            ...counts,
          }
        })
      })
      return (await Promise.all(readings)).flat()
    },
  })
}

/**
 * What is in flight by all pages together; null when one of them does not answer or does not say.
 *
 * @param slots  those that have a Service of their own, by which nobody else is reached
 */
export function gatewayInFlight({ pages, slots }: Pick<GatewayCellsOptions, 'pages'> & { readonly slots: OwnSlots }) {
  return async (service: ServiceName, slot: SlotName): Promise<number | null> => {
    const target = (await slots(service)).find((one) => one.slot === slot)
    if (!target || pages.length === 0) return null
    const all = await Promise.all(
      pages.map(({ read }) =>
        read().then(
          (page) => inFlightOn(page, target),
          () => null,
        ),
      ),
    )
    return all.includes(null) ? null : all.reduce<number>((sum, count) => sum + count!, 0)
  }
}

type OwnSlots = (service: ServiceName) => Promise<readonly (GatewayService & { readonly slot: SlotName })[]>

function unknown(gateway: string, why: string): OperatingError {
  return new OperatingError('PLATFORM_FAILED', `What ${gateway} has counted is not known: ${why}.`)
}
