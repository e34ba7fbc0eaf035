// The kinds of value that moodify.yaml is made of. Each says in plain words what it expects, so that every
// failure of a field, of type or of range, reads the same: `expected a number of seconds, found the text "5m"`.
import * as z from 'zod'

// A file is checked once in the life of a command: compiling its checks takes longer than making them.
z.config({ jitless: true })

/** Timers of Node count milliseconds in 31 bits, which is 24 days. */
const LONGEST_SECONDS = 20 * 86_400

/** A value in words, short enough for one line. */
export function inWords(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (typeof value === 'string')
    return `the text ${JSON.stringify(value.length > 40 ? `${value.slice(0, 37)}...` : value)}`
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  return String(value)
}

/** Error text for all failures of a field; a key that is not there at all is `missing`. */
function expected(what: string) {
  return {
    error: (issue: { readonly input?: unknown }) =>
      issue.input === undefined ? `missing; ${what} is needed here` : `expected ${what}, found ${inWords(issue.input)}`,
  }
}

/** A mapping with exactly these keys. */
export function mapping<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape, expected('a mapping'))
}

/** A mapping whose keys are names that the user chooses. */
export function named<Value extends z.ZodType>(value: Value, keys: z.ZodString = z.string()) {
  return z.record(keys, value, expected('a mapping'))
}

export function list<Item extends z.ZodType>(item: Item) {
  return z.array(item, expected('a list'))
}

export function text(what: string, pattern?: RegExp) {
  const error = expected(what)
  return z.string(error).regex(pattern ?? /^[^\0]*[^\s\0][^\0]*$/, error)
}

/** Any text, empty too. */
export function anyText() {
  const error = ({ input }: { readonly input?: unknown }) =>
    typeof input === 'number' || typeof input === 'boolean'
      ? `expected text, found ${input}; put it in quotes`
      : `expected text without zero bytes, found ${inWords(input)}`
  return z.string({ error }).regex(/^[^\0]*$/, { error })
}

export function seconds(range: { readonly min: number; readonly max?: number } = { min: 0.001 }) {
  const { min, max = LONGEST_SECONDS } = range
  return z
    .number(expected('a number of seconds'))
    .min(min, expected(`at least ${min} seconds`))
    .max(max, expected(`at most ${max} seconds`))
}

export function percent() {
  return range('a percentage from 0 to 100', 0, 100)
}

export function range(what: string, min: number, max: number) {
  const error = expected(what)
  return z.number(error).min(min, error).max(max, error)
}

export function whole(what: string, min: number, max: number) {
  const error = expected(`${what} from ${min} to ${max}`)
  return z.int(error).min(min, error).max(max, error)
}

export function flag() {
  return z.boolean(expected('true or false'))
}

export function oneOf<const Values extends readonly [string, ...string[]]>(...values: Values) {
  return z.enum(values, expected(values.length === 1 ? `"${values[0]}"` : `one of ${values.join(', ')}`))
}

/** A key that may be left out. */
export function optional<Schema extends z.ZodType>(schema: Schema, description: string, fallback?: unknown) {
  return schema.optional().meta(fallback === undefined ? { description } : { description, default: fallback })
}

/** A key that has to be there. */
export function required<Schema extends z.ZodType>(schema: Schema, description: string): Schema {
  return schema.describe(description)
}
