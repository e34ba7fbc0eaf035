// Sessions stay with a version, and with a replica of it, by a cookie that only says which ticket a user has drawn.
//
// The ticket is a random number. Its first half is a place between 0 and 100 %, of which each slot has a stretch as
// long as its share. So users stay where they are while shares stay, only as many move as have to when they change,
// and all of them move at once when a version is taken back. Its second half orders the replicas
// of a slot, the same way each time: a user stays with one until it goes. Nothing is remembered here, so that every
// front of an environment, and the one after a restart, sends a user to the same place.
import { randomBytes } from 'node:crypto'

export interface Affinity {
  readonly cookie: string
  /** How long a browser keeps it; null is until it is closed. */
  readonly maxAgeSeconds: number | null
}

const TICKET = /^[0-9a-f]{16}$/

export function newTicket(): string {
  return randomBytes(8).toString('hex')
}

/** The ticket that a request brings with it; null for none, and for what is no ticket. */
export function ticketIn(cookies: string | undefined, { cookie }: Affinity): string | null {
  for (const pair of cookies?.split(';') ?? []) {
    const [name, value] = pair.split('=', 2)
    if (name!.trim() === cookie && value !== undefined && TICKET.test(value.trim())) return value.trim()
  }
  return null
}

/** Where a ticket stands among all, in [0, 1). */
export function placeOf(ticket: string): number {
  return Number.parseInt(ticket.slice(0, 8), 16) / 2 ** 32
}

/** How much a ticket is for a replica: the one that it is most for gets the request. */
export function rankFor(ticket: string, replica: string): number {
  // FNV-1a, and a last mixing so that ids which differ in their last letter alone are far apart.
  let hash = 0x811c9dc5
  for (const text of [ticket.slice(8), replica]) {
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return (hash ^ (hash >>> 13)) >>> 0
}

/** @param secure  the connection is encrypted, so that the cookie needs to be sent over such ones only */
export function setCookie(ticket: string, { cookie, maxAgeSeconds }: Affinity, secure: boolean): string {
  const age = maxAgeSeconds === null ? '' : `; Max-Age=${Math.round(maxAgeSeconds)}`
  return `${cookie}=${ticket}; Path=/${age}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`
}
