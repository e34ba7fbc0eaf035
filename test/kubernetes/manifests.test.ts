import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fillManifest, parseManifest, renderManifests } from '../../src/effects/kubernetes/manifests.ts'
import { kubernetesFolder, templateFiles, variables } from './assets.ts'

const object = (rest: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n${rest}`

describe('filling in', () => {
  test('replaces the three variables wherever they stand', () =>
    expect(fillManifest('# ${NAMESPACE}\n${IMAGE_REGISTRY}/b:${IMAGE_TAG}', 'a.yaml', variables)).toBe(
      '# moodify-production\nyour-registry.azurecr.io/b:v1.2.3',
    ))

  test.each([
    ['a variable that is misspelt', '${IMAGETAG}', /\$\{IMAGETAG\} is no variable/],
    ['a variable without braces', '$NAMESPACE', /\$NAMESPACE is no variable/],
    ['a default, which envsubst would leave as text', '${IMAGE_TAG:-latest}', /\$\{IMAGE_TAG:-latest\} is no variable/],
    ['a brace that is never closed', '${NAMESPACE', /\$\{NAMESPACE is no variable/],
    ['a stray $', 'costs 5 $', /a \$ on its own/],
    ['a $ before a parenthesis', '$(POD_NAME)', /a \$ on its own/],
  ])('refuses %s, with file and line', (_, text, message) => {
    const fill = () => fillManifest(`one\ntwo: ${text}\n`, 'folder/a.yaml', variables)
    expect(fill).toThrow(message)
    expect(fill).toThrow(/^folder\/a\.yaml:2: /)
  })

  test.each(['', 'v1\nkind: Secret', 'a b', '"'])(
    'refuses the value %j, which could change what the file says',
    (tag) => expect(() => fillManifest('a', 'a.yaml', { ...variables, IMAGE_TAG: tag })).toThrow(/IMAGE_TAG is/),
  )
})

describe('reading', () => {
  test('a file may have many documents, and empty ones do not count', () =>
    expect(parseManifest(`---\n${object('')}---\n# nothing\n---\n${object('')}`, 'a.yaml')).toHaveLength(2))

  test('numbers and words mean what kubectl takes them for', () => {
    const [read] = parseManifest(object('mode: 0440\nyes: on\ntime: 2001-01-01\nclock: 10:30\n'), 'a.yaml')
    expect(read).toMatchObject({ mode: 0o440, time: '2001-01-01', clock: '10:30' })
    expect(Object.entries(read ?? {})).toContainEqual(['true', true])
  })

  test.each([
    ['a key twice', 'kind: A\nkind: B\n', /^a\.yaml:2: .*unique/],
    ['a list', '- a\n', /^a\.yaml:1: the document is no Kubernetes object/],
    ['no kind', 'apiVersion: v1\n', /^a\.yaml:1: the object has no kind/],
    ['no name', '---\n# first\napiVersion: v1\nkind: Pod\n', /^a\.yaml:3: the Pod has no metadata\.name/],
    ['a name that is a number', 'apiVersion: v1\nkind: Pod\nmetadata: {name: 1}\n', /or it is not text/],
  ])('refuses %s, with file and line', (_, text, message) =>
    expect(() => parseManifest(text, 'a.yaml')).toThrow(message),
  )
})

describe('files and folders', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'moodify-manifests-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  test('a folder is read file by file, by name, without what is below it or is no YAML', () => {
    writeFileSync(join(folder, 'b.yaml'), object('').replace('name: a', 'name: b'))
    writeFileSync(join(folder, 'a.yml'), object(''))
    writeFileSync(join(folder, 'README.md'), '$')
    expect(renderManifests(folder, variables).map(({ metadata }) => metadata.name)).toEqual(['a', 'b'])
  })

  test('a folder without a manifest is an error', () =>
    expect(() => renderManifests(folder, variables)).toThrow(/has no \.yaml file/))

  test('a path that leads nowhere is an error', () =>
    expect(() => renderManifests(join(folder, 'x.yaml'), variables)).toThrow(/no such file or folder/))
})

const hasEnvsubst = spawnSync('envsubst', ['--version']).status === 0
test.skipIf(!hasEnvsubst).each(templateFiles)('plain envsubst makes the same of %s', (name) => {
  const file = join(kubernetesFolder, name)
  const text = readFileSync(file, 'utf8')
  const filled = spawnSync('envsubst', [], {
    input: text,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], ...variables },
  })
  expect(filled.stdout).toBe(fillManifest(text, file, variables))
})
