// JSON Patch (RFC 6902) and JSON merge patch (RFC 7386) on plain values.
import { isDeepStrictEqual } from 'node:util'
import { unfitPatch } from './answers.ts'

interface Operation {
  readonly op: string
  readonly path: string
  readonly value?: unknown
}

type Holder = Record<string, unknown> | unknown[]

/** @throws Refusal 422 when an operation does not fit or a `test` fails */
export function applyJsonPatch(object: unknown, operations: readonly Operation[]): unknown {
  const root = { '': structuredClone(object) }
  for (const operation of operations) applyOperation(root, operation)
  return root['']
}

function applyOperation(root: { '': unknown }, { op, path, value }: Operation): void {
  const tokens = path.split('/').map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
  const name = tokens.pop()!
  const parent = tokens.reduce<unknown>(childOf, root) as Holder | null | undefined
  if (parent === null || typeof parent !== 'object')
    throw unfitPatch(`${op} operation does not apply: doc is missing path: "${path}"`)
  const exists = Array.isArray(parent) ? isIndex(name, parent.length - 1) : name in parent
  if (op === 'test') {
    const found = exists ? childOf(parent, name) : null
    if (!isDeepStrictEqual(found, value ?? null)) throw unfitPatch(`testing value ${path} failed: test failed`)
    return
  }
  // A `replace` of what is not in a mapping adds it: so do real servers.
  if (!exists && (op === 'remove' || (op === 'replace' && Array.isArray(parent))))
    throw unfitPatch(`${op} operation does not apply: doc is missing key: ${path}`)
  if (op === 'remove') {
    remove(parent, name)
    return
  }
  if (op !== 'add' && op !== 'replace') throw unfitPatch(`Unexpected kind: ${op}`)
  if (!Array.isArray(parent)) parent[name] = structuredClone(value)
  else if (op === 'replace') parent[Number(name)] = structuredClone(value)
  else if (name === '-') parent.push(structuredClone(value))
  else if (isIndex(name, parent.length)) parent.splice(Number(name), 0, structuredClone(value))
  else throw unfitPatch(`add operation does not apply: doc is missing path: "${path}"`)
}

function remove(parent: Holder, name: string): void {
  if (Array.isArray(parent)) parent.splice(Number(name), 1)
  else delete parent[name]
}

const isIndex = (name: string, highest: number) => /^\d+$/.test(name) && Number(name) <= highest

function childOf(holder: unknown, name: string): unknown {
  if (holder === null || typeof holder !== 'object') return undefined
  return Array.isArray(holder) ? holder[Number(name)] : (holder as Record<string, unknown>)[name]
}

/** Null removes; everything that is not a mapping replaces. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isMapping(patch)) return patch
  const merged: Record<string, unknown> = isMapping(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key]
    else merged[key] = applyMergePatch(merged[key], value)
  }
  return merged
}

export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
