// Label and field selectors.
import { badRequest } from './answers.ts'
import type { Stored } from './objects.ts'

export type Matcher = (object: Stored) => boolean

export function labelMatcher(text: string): Matcher {
  const tests = splitTop(text).map(labelTest)
  return ({ metadata }) => tests.every((test) => test(metadata.labels ?? {}))
}

/** Commas inside parentheses do not split. */
function splitTop(text: string): string[] {
  return text
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter(Boolean)
}

function labelTest(text: string): (labels: Readonly<Record<string, string>>) => boolean {
  const set = /^(\S+) (in|notin) \(([^)]*)\)$/.exec(text)
  if (set) {
    const [, key, operator, list] = set
    const values = list!.split(',').map((value) => value.trim())
    const isIn = (labels: Readonly<Record<string, string>>) =>
      labels[key!] !== undefined && values.includes(labels[key!]!)
    return operator === 'in' ? isIn : (labels) => !isIn(labels)
  }
  const equality = /^([^!=\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(text)
  if (equality) {
    const [, key, operator, value] = equality
    return operator === '!=' ? (labels) => labels[key!] !== value : (labels) => labels[key!] === value
  }
  if (/^![^!=\s]+$/.test(text)) return (labels) => labels[text.slice(1)] === undefined
  if (/^[^!=\s]+$/.test(text)) return (labels) => labels[text] !== undefined
  throw badRequest(`unable to parse requirement: ${text}`)
}

const fields = ['metadata.name', 'metadata.namespace', 'status.phase', 'spec.nodeName', 'type', 'reason']
const isField = (path: string) => fields.includes(path) || path.startsWith('involvedObject.')

export function fieldMatcher(text: string): Matcher {
  const tests = splitTop(text).map((part) => {
    const [, path, operator, value] = /^([^!=]+)(==|=|!=)(.*)$/.exec(part) ?? []
    if (!path || !isField(path)) throw badRequest(`field label not supported: ${path ?? part}`)
    const isEqual: Matcher = (object) => String(valueAt(object, path.split('.')) ?? '') === value
    return operator === '!=' ? (((object) => !isEqual(object)) as Matcher) : isEqual
  })
  return (object) => tests.every((test) => test(object))
}

function valueAt(object: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], object)
}
