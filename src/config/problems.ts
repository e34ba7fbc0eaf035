// What the schema found wrong, one problem a key, in words and with a suggestion where one is near.
import { closest, distance } from 'fastest-levenshtein'
import * as z from 'zod'
import type { Path } from './document.ts'
import { inWords } from './fields.ts'

/** Something wrong with moodify.yaml. */
export interface Problem {
  /** Both start at 1. */
  readonly line: number
  readonly column: number
  /** Such as `services.backend.smoke[0].request`; empty for the whole file. */
  readonly path: string
  readonly message: string
  /** What was probably meant. */
  readonly suggestion?: string
}

/** A problem that has no line yet. */
export interface Finding {
  readonly path: Path
  readonly message: string
  readonly suggestion?: string
}

/** One line per problem: `moodify.yaml:12:3  canary.weights: weights must end with 100, found 10`. */
export function problemLine(file: string, { line, column, path, message, suggestion }: Problem): string {
  const hint = suggestion === undefined ? '' : `; did you mean ${suggestion}?`
  return `${file}:${line}:${column}  ${path && `${path}: `}${message}${hint}`
}

export function pathText(path: Path): string {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .replace(/^\./, '')
}

/** The issues of a failed parse of `value` by `schema`, as findings. */
export function findingsOf(schema: z.ZodType, value: unknown, issues: readonly z.core.$ZodIssue[]): Finding[] {
  return issues.flatMap((issue) => findingsOfIssue(schema, value, issue, []))
}

function findingsOfIssue(schema: z.ZodType, value: unknown, issue: z.core.$ZodIssue, base: Path): Finding[] {
  const path = [...base, ...(issue.path as (string | number)[])]
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(schema, path, key))
    case 'invalid_union': {
      const near = nearestOption(issue)
      if (near) return near.flatMap((inner) => findingsOfIssue(schema, value, inner, path))
      return [{ path, message: unionMessage(schemaAt(schema, path), valueAt(value, path)) }]
    }
    case 'invalid_key':
      return [{ path, message: issue.issues[0]?.message ?? issue.message }]
    default:
      return [{ path, message: issue.message, ...suggestionFor(issue, path, valueAt(value, path)) }]
  }
}

/** The issues of the one option whose kind of value it is: of several, a mapping fits only one. */
function nearestOption(issue: z.core.$ZodIssueInvalidUnion): readonly z.core.$ZodIssue[] | null {
  const ofThisKind = issue.errors.filter(
    (issues) => !issues.some(({ code, path }) => code === 'invalid_type' && path.length === 0),
  )
  return ofThisKind.length === 1 ? ofThisKind[0]! : null
}

function unionMessage(schema: z.ZodType | null, value: unknown): string {
  const keys = schema ? keysOf(schema) : []
  return `expected text or a mapping with ${keys.join(', ')}, found ${inWords(value)}`
}

function unknownKey(schema: z.ZodType, path: Path, key: string): Finding {
  const at = schemaAt(schema, path)
  const near = nearText(key, at ? keysOf(at) : [])
  const place = path.length === 0 ? 'at the top level' : `in ${pathText(path)}`
  return {
    path: [...path, key],
    message: `unknown key ${JSON.stringify(key)} ${place}`,
    ...(near !== null && { suggestion: JSON.stringify(near) }),
  }
}

function suggestionFor(issue: z.core.$ZodIssue, path: Path, value: unknown): { suggestion?: string } {
  if (typeof value !== 'string') return {}
  if (issue.code === 'invalid_value') {
    const near = nearText(
      value,
      issue.values.filter((allowed) => typeof allowed === 'string'),
    )
    return near === null ? {} : { suggestion: JSON.stringify(near) }
  }
  if (issue.code !== 'invalid_type' || !['number', 'int'].includes(issue.expected)) return {}
  const number = String(path.at(-1)).endsWith('Seconds') ? secondsOf(value) : numberOf(value)
  return number === null ? {} : { suggestion: String(number) }
}

function numberOf(value: string): number | null {
  return /^\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : null
}

const unitSeconds: Record<string, number> = { ms: 0.001, s: 1, sec: 1, m: 60, min: 60, h: 3600, d: 86_400 }

/** Seconds of a text such as `5m`, or null. */
function secondsOf(value: string): number | null {
  const [, amount, unit] = /^(\d+(?:\.\d+)?) ?(ms|s|sec|m|min|h|d)?$/.exec(value.trim()) ?? []
  return amount === undefined ? null : Number((Number(amount) * unitSeconds[unit ?? 's']!).toFixed(3))
}

/** The candidate that `text` was probably meant to be; null when none is near. */
function nearText(text: string, candidates: readonly string[]): string | null {
  if (candidates.length === 0 || text.length > 60) return null
  const plain = (word: string) => word.toLowerCase().replaceAll(/[-_ ]/g, '')
  const written = plain(text)
  const same = candidates.find((candidate) => plain(candidate) === written)
  if (same !== undefined) return same
  const beginsWith = candidates.filter((candidate) => written.length >= 4 && plain(candidate).startsWith(written))
  if (beginsWith.length === 1) return beginsWith[0]!
  const near = closest(written, candidates.map(plain))
  const candidate = candidates.find((word) => plain(word) === near)!
  return distance(written, near) <= Math.max(1, Math.floor(written.length / 3)) ? candidate : null
}

/** The schema of what stands at a path, or null where there is none. */
function schemaAt(schema: z.ZodType, path: Path): z.ZodType | null {
  const inner = unwrapped(schema)
  const [step, ...rest] = path
  if (step === undefined) return inner
  if (inner instanceof z.ZodObject) return Object.hasOwn(inner.shape, step) ? schemaAt(inner.shape[step], rest) : null
  if (inner instanceof z.ZodRecord) return schemaAt(inner.valueType as z.ZodType, rest)
  if (inner instanceof z.ZodArray) return schemaAt(inner.element as z.ZodType, rest)
  if (inner instanceof z.ZodUnion) {
    const options = inner.options.map((option) => schemaAt(option as z.ZodType, path))
    return options.find((option) => option !== null) ?? null
  }
  return null
}

function keysOf(schema: z.ZodType): string[] {
  const inner = unwrapped(schema)
  if (inner instanceof z.ZodObject) return Object.keys(inner.shape)
  return inner instanceof z.ZodUnion ? inner.options.flatMap((option) => keysOf(option as z.ZodType)) : []
}

function unwrapped(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodNullable
    ? unwrapped(schema.unwrap() as z.ZodType)
    : schema
}

export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (at, step) => (typeof at === 'object' && at !== null ? (at as Record<string | number, unknown>)[step] : undefined),
    value,
  )
}
