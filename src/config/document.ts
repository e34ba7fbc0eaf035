// YAML text to plain values, with the line and column of each.
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLError,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml'

export type Path = readonly (string | number)[]

export interface Position {
  /** Both start at 1. */
  readonly line: number
  readonly column: number
}

export interface SyntaxProblem extends Position {
  readonly path: Path
  readonly message: string
}

export interface ReadDocument {
  readonly value: unknown
  readonly problems: readonly SyntaxProblem[]
  /** Whether the value is worth a look although there are problems. */
  readonly sound: boolean
  /** Where the key of a path stands, or of the nearest one above it that is there. */
  positionOf(path: Path): Position
}

/** Aliases may multiply the size of a file by this at most. */
const MAX_ALIASES = 100

export function readDocument(text: string): ReadDocument {
  try {
    return read(text)
  } catch (error) {
    // `yaml` throws on aliases that grow without end, and on nesting deeper than the stack.
    const message = error instanceof RangeError ? 'nested too deeply' : lowerFirst((error as Error).message)
    const start = { line: 1, column: 1 }
    return { value: undefined, sound: false, problems: [{ ...start, path: [], message }], positionOf: () => start }
  }
}

function read(text: string): ReadDocument {
  const lines = new LineCounter()
  const document = parseDocument(text, { merge: true, prettyErrors: false, lineCounter: lines, logLevel: 'error' })
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const faults = [...syntaxFaults(document, text), ...removePrototypeKeys(document)]
  const syntaxIsSound = [...document.errors, ...document.warnings].every(({ code }) => readable.has(code))
  const alias = syntaxIsSound ? unresolvedAlias(document) : null
  if (alias) faults.push({ offset: startOf(alias), path: [], message: `*${alias.source} refers to no anchor above it` })
  const sound = syntaxIsSound && !alias
  return {
    value: sound ? document.toJS({ maxAliasCount: MAX_ALIASES }) : undefined,
    problems: faults.map(({ offset, path, message }) => ({ ...position(offset), path, message })),
    sound,
    positionOf: (path) => position(offsetOf(document, path)),
  }
}

interface Fault {
  readonly offset: number
  readonly path: Path
  readonly message: string
}

/** Faults with which the rest of the document still means what it says. */
const readable: ReadonlySet<string> = new Set(['DUPLICATE_KEY', 'TAG_RESOLVE_FAILED'])

function syntaxFaults(document: Document.Parsed, text: string): Fault[] {
  const faults = [...document.errors, ...document.warnings]
  const tooDeep = faults.find(({ code }) => code === 'RESOURCE_EXHAUSTION')
  if (tooDeep) return [{ offset: tooDeep.pos[0], path: [], message: 'nested too deeply' }]
  return faults.map((fault) => ({ offset: fault.pos[0], path: [], message: messageOf(fault, text) }))
}

/** A key of this name would be taken for the prototype by code that copies objects. */
function removePrototypeKeys(document: Document.Parsed): Fault[] {
  const faults: Fault[] = []
  visit(document, {
    Pair(_, pair, ancestors) {
      if (keyText(pair.key) !== '__proto__') return
      const path = [...ancestors.filter(isPair).map((above) => keyText(above.key)), '__proto__']
      faults.push({ offset: startOf(pair.key), path, message: 'unknown key "__proto__"' })
      return visit.REMOVE
    },
  })
  return faults
}

/** The first alias whose anchor is not above it. */
function unresolvedAlias(document: Document.Parsed): Alias | null {
  const anchors = new Set<string>()
  let unresolved: Alias | null = null
  visit(document, {
    Alias(_, alias) {
      if (anchors.has(alias.source)) return
      unresolved = alias
      return visit.BREAK
    },
    Value(_, node) {
      if (node.anchor) anchors.add(node.anchor)
    },
  })
  return unresolved
}

function offsetOf(document: Document.Parsed, path: Path): number {
  const resolved = (node: unknown) => (isAlias(node) ? node.resolve(document) : node)
  let node = resolved(document.contents)
  let offset = 0
  for (const step of path) {
    const found = isMap(node) ? inMap(node, String(step)) : isSeq(node) ? inSequence(node, Number(step)) : null
    if (!found) break
    offset = found.offset
    node = resolved(found.value)
  }
  return offset

  function inMap(map: YAMLMap, key: string, depth = 0): Located | null {
    const pair = map.items.findLast((item) => keyText(item.key) === key)
    if (pair) return { offset: startOf(pair.key), value: pair.value }
    // The key may come from a merge, `<<: *other`.
    for (const merge of depth < 5 ? map.items.filter((item) => keyText(item.key) === '<<') : []) {
      const merged = resolved(merge.value)
      for (const source of isSeq(merged) ? merged.items.map(resolved) : [merged]) {
        const found = isMap(source) ? inMap(source, key, depth + 1) : null
        if (found) return found
      }
    }
    return null
  }
}

interface Located {
  readonly offset: number
  readonly value: unknown
}

function inSequence(sequence: YAMLSeq, index: number): Located | null {
  return index < sequence.items.length ? { offset: startOf(sequence.items[index]), value: sequence.items[index] } : null
}

function messageOf(fault: YAMLError, text: string): string {
  switch (fault.code) {
    case 'DUPLICATE_KEY': {
      const [, key] = /^["']?([^\s:"']*)/.exec(text.slice(fault.pos[0], fault.pos[0] + 100)) ?? []
      return `the key ${JSON.stringify(key)} is there twice`
    }
    case 'MULTIPLE_DOCS':
      return 'a second document starts here; the file must hold one'
    default:
      return lowerFirst(fault.message)
  }
}

/** As it is called in the value; the key of a merge is a symbol there. */
function keyText(key: unknown): string {
  if (!isScalar(key)) return String(key)
  return typeof key.value === 'symbol' ? (key.value.description ?? '') : String(key.value ?? '')
}

function startOf(node: unknown): number {
  return (node as Node | null)?.range?.[0] ?? 0
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
