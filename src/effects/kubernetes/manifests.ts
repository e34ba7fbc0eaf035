// Manifest files to objects. The files stay valid under plain `envsubst` with the same three variables; here a
// variable that is misspelt, or a `$` that envsubst would quietly turn into nothing, is an error with its line.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { LineCounter, parseAllDocuments, type Tags } from 'yaml'
import { OperatingError } from '../../errors/catalogue.ts'
import type { KubernetesObject } from './api.ts'

export const manifestVariableNames = ['IMAGE_REGISTRY', 'IMAGE_TAG', 'NAMESPACE'] as const
export type ManifestVariables = Readonly<Record<(typeof manifestVariableNames)[number], string>>

/**
 * The objects of manifest files, filled in.
 *
 * @param paths      files, or folders of which all `.yaml` and `.yml` files are read by name, not those below them
 * @param variables  plain words: registry such as `registry.example/team`, tag such as `v1.2.3`, namespace
 * @throws           OperatingError MANIFEST_INVALID with file and line
 */
export function renderManifests(paths: string | readonly string[], variables: ManifestVariables): KubernetesObject[] {
  return manifestFiles(paths).flatMap((file) => parseManifest(fillManifest(read(file), file, variables), file))
}

/** The files that `renderManifests` reads, in its order. */
export function manifestFiles(paths: string | readonly string[]): string[] {
  return [paths].flat().flatMap((path) => {
    const kind = statSync(path, { throwIfNoEntry: false })
    if (!kind) throw invalid(path, null, 'there is no such file or folder')
    if (!kind.isDirectory()) return [path]
    const names = readdirSync(path).filter((name) => /\.ya?ml$/.test(name))
    if (names.length === 0) throw invalid(path, null, 'the folder has no .yaml file')
    return names.sort().map((name) => join(path, name))
  })
}

/**
 * The text of a manifest with its variables replaced.
 *
 * @param file  what errors call it
 * @throws      OperatingError MANIFEST_INVALID
 */
export function fillManifest(text: string, file: string, variables: ManifestVariables): string {
  for (const name of manifestVariableNames) checkValue(name, variables[name])
  const known = manifestVariableNames.map((name) => `\${${name}}`).join(', ')
  return text.replace(/\$(?:\{[^}\n]*\}?|\w+)?/g, (found, offset: number) => {
    const name = manifestVariableNames.find((each) => found === `\${${each}}`)
    if (name) return variables[name]
    const line = text.slice(0, offset).split('\n').length
    const what = found === '$' ? 'a $ on its own' : `${found} is no variable of a manifest`
    throw invalid(file, line, `${what}; only ${known} may stand in one`)
  })
}

/** A value that is more than one word could change what the file says. */
function checkValue(name: string, value: string): void {
  if (/^[\w.:/@-]+$/.test(value)) return
  throw new OperatingError(
    'MANIFEST_INVALID',
    `${name} is ${value === '' ? 'empty' : JSON.stringify(value)}; letters, digits and . _ : / @ - may stand in it`,
    `set ${name} and type the command again`,
  )
}

/**
 * The objects of one file, which may have many documents.
 *
 * @param text  filled in already
 * @throws      OperatingError MANIFEST_INVALID
 */
export function parseManifest(text: string, file: string): KubernetesObject[] {
  const lineCounter = new LineCounter()
  // YAML 1.1, as kubectl reads it: `defaultMode: 0440` is octal, `yes` is true. Dates and times stay text, as there.
  const documents = parseAllDocuments(text, {
    version: '1.1',
    merge: true,
    prettyErrors: false,
    logLevel: 'error',
    lineCounter,
    customTags: (tags) => tags.filter((tag) => !isTimeTag(tag)),
  })
  return [...documents].flatMap((document) => {
    const lineOf = (offset: number) => lineCounter.linePos(offset).line
    const problem = document.errors[0]
    if (problem) throw invalid(file, lineOf(problem.pos[0]), problem.message)
    const value: unknown = document.toJS()
    if (value === null || value === undefined) return []
    const fault = faultOf(value)
    if (fault) throw invalid(file, lineOf(document.contents?.range?.[0] ?? 0), fault)
    return [value as KubernetesObject]
  })
}

function isTimeTag(tag: Tags[number]): boolean {
  return typeof tag !== 'string' && (tag.tag.endsWith(':timestamp') || tag.format === 'TIME')
}

function faultOf(value: unknown): string | null {
  if (typeof value !== 'object' || Array.isArray(value)) return 'the document is no Kubernetes object'
  const { apiVersion, kind, metadata } = value as Record<string, unknown>
  if (typeof apiVersion !== 'string') return 'the object has no apiVersion'
  if (typeof kind !== 'string') return 'the object has no kind'
  const name = (metadata as { name?: unknown } | null | undefined)?.name
  if (typeof name !== 'string') return `the ${kind} has no metadata.name, or it is not text`
  return null
}

function read(file: string): string {
  return readFileSync(file, 'utf8')
}

function invalid(file: string, line: number | null, what: string): OperatingError {
  const place = line === null ? file : `${file}:${line}`
  return new OperatingError('MANIFEST_INVALID', `${place}: ${what}`, 'correct the file; nothing was applied')
}
