// What is in flight to one replica: a set, but not a `Set`.
//
// A `Set` to which is added and from which is deleted all the time makes a new table every few dozen times, and V8 links
// each old table to the next. Once one of them is old in the eyes of the garbage collector, all that follow live as long
// as it does, with every request that they ever held: a third of all garbage, where it should be nothing. So members
// know their place in a list, and the last one fills the gap that another leaves.

/** Something in flight to a replica. */
export interface Exchange {
  /** Asked for its slot by header. */
  readonly pinned: boolean
  /** Where it stands in the list; the list's own. */
  place?: number
  /** Ends it now, because its replica may be ended any moment. */
  cut(): void
}

export class InFlight implements Iterable<Exchange> {
  readonly #list: Exchange[] = []

  get size(): number {
    return this.#list.length
  }

  /** One that is here already may not be added again. */
  add(exchange: Exchange): void {
    exchange.place = this.#list.length
    this.#list.push(exchange)
  }

  /** One that is not here is none of our business. */
  delete(exchange: Exchange): void {
    const { place } = exchange
    if (place === undefined || this.#list[place] !== exchange) return
    const last = this.#list.pop()!
    if (last === exchange) return
    this.#list[place] = last
    last.place = place
  }

  /** Members may leave meanwhile: those there now are given. */
  [Symbol.iterator](): Iterator<Exchange> {
    return this.#list.slice()[Symbol.iterator]()
  }
}
