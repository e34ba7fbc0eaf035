// What the server says when it does not do it: Status objects in the words of the real one.
import { type Kind, qualified } from './kinds.ts'

/** An answer that is not success. */
export class Refusal extends Error {
  readonly code: number
  readonly reason: string
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: number, reason: string, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message)
    this.code = code
    this.reason = reason
    this.details = details
  }

  get status(): Readonly<Record<string, unknown>> {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      ...(this.reason && { reason: this.reason }),
      details: this.details,
      code: this.code,
    }
  }
}

const detailsOf = (kind: Kind, name: string) => ({ name, ...(kind.group && { group: kind.group }), kind: kind.plural })

export const notFound = (kind: Kind, name: string) =>
  new Refusal(404, 'NotFound', `${qualified(kind)} "${name}" not found`, detailsOf(kind, name))

export const unknownPath = () => new Refusal(404, 'NotFound', 'the server could not find the requested resource')

export const alreadyExists = (kind: Kind, name: string) =>
  new Refusal(409, 'AlreadyExists', `${qualified(kind)} "${name}" already exists`, detailsOf(kind, name))

export const modified = (kind: Kind, name: string) =>
  new Refusal(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(kind)} "${name}": the object has been modified; please apply your changes to the latest version and try again`,
    detailsOf(kind, name),
  )

/** Without a reason, as the real one says it. */
export const notToBeCreated = () => new Refusal(500, '', 'resourceVersion should not be set on objects to be created')

export const badRequest = (message: string) => new Refusal(400, 'BadRequest', message)

export const invalid = (kind: Kind, name: string, message: string, causes: readonly unknown[] = []) =>
  new Refusal(422, 'Invalid', `${kind.kind}${kind.group && `.${kind.group}`} "${name}" is invalid: ${message}`, {
    name,
    ...(kind.group && { group: kind.group }),
    kind: kind.kind,
    causes,
  })

export const expired = (asked: number, oldest: number) =>
  new Refusal(410, 'Expired', `too old resource version: ${asked} (${oldest})`)

export const expiredPages = () =>
  new Refusal(
    410,
    'Expired',
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.',
  )

/** The operations of a JSON Patch that do not fit the object. */
export const unfitPatch = (why: string) =>
  new Refusal(422, 'Invalid', 'the server rejected our request due to an error in our request', {
    causes: [{ reason: 'UnexpectedServerResponse', message: why }],
  })

export interface FieldConflict {
  readonly manager: string
  readonly field: string
}

export function applyConflict(conflicts: readonly FieldConflict[]): Refusal {
  const count = `${conflicts.length} conflict${conflicts.length === 1 ? '' : 's'}`
  const [first] = conflicts
  const say = ({ manager, field }: FieldConflict) => `conflict with "${manager}": ${field}`
  const listed =
    conflicts.length === 1
      ? ` ${say(first!)}`
      : `s with ${conflicts.map(({ manager, field }) => `"${manager}": ${field}`).join(', ')}`
  return new Refusal(409, 'Conflict', `Apply failed with ${count}:${listed}`, {
    causes: conflicts.map((conflict) => ({
      reason: 'FieldManagerConflict',
      message: say(conflict),
      field: conflict.field,
    })),
  })
}
