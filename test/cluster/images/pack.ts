// Gives the test cluster the images that the manifests name, packed from this checkout: there is no registry there.
//
//   node tools/run.mjs test/cluster/images/pack.ts            all of them
//   node tools/run.mjs test/cluster/images/pack.ts v1.2.3     only these tags
import { execFile, execFileSync } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { VERSION } from '../../../src/version.ts'
import { type ImageVersion, imageVersions } from './versions.ts'

const run = promisify(execFile)
const here = import.meta.dirname
const app = join(here, '../../../examples/moodify')
/** The cluster's tool that packs files of this machine into an image. */
const imageTool = process.env['MOODIFY_TEST_IMAGE_TOOL'] ?? join(here, '../image')

export const REGISTRY = 'your-registry.azurecr.io'
/** Where Node stands in the images, wherever this machine has it. */
const NODE = '/usr/local/bin/node'
const FLUENT_BIT = 'cr.fluentbit.io/fluent/fluent-bit:4.0.3'

/**
 * Packs backend and frontend of each tag under the runbook's own names, and the stand-in for Fluent Bit.
 *
 * @param tags  of `versions.ts`
 */
export async function packImages(tags: readonly string[]): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'moodify-images-'))
  try {
    await pack(FLUENT_BIT, [`${here}/fluent-bit.mjs=/fluent-bit.mjs`], ['--max-old-space-size=16', '/fluent-bit.mjs'])
    for (const tag of tags) {
      const version = imageVersions.find((each) => each.tag === tag)
      if (!version) throw new Error(`versions.ts has no ${tag}`)
      await packVersion(version, join(work, tag))
    }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Packs moodify itself, as the Dockerfile of this project does. @returns the image's name */
export async function packRunner(): Promise<string> {
  const work = await mkdtemp(join(tmpdir(), 'moodify-images-'))
  const name = `${REGISTRY}/moodify:${VERSION}`
  try {
    await run(process.execPath, [join(here, '../../../tools/build.ts'), join(work, 'moodify.mjs')])
    await pack(name, [`${work}/moodify.mjs=/moodify.mjs`], ['/moodify.mjs'])
    return name
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function pack(
  name: string,
  additions: readonly string[],
  command: readonly string[],
  env?: string,
): Promise<void> {
  const programs = [`${process.execPath}=${NODE}`, whereIs('wget')].flatMap((path) => ['--program', path])
  const files = additions.flatMap((each) => ['--add', each])
  const environment = env ? ['--env', env] : []
  await run(imageTool, [...programs, ...files, ...environment, name, '--', NODE, ...command])
}

async function packVersion({ tag, edits }: ImageVersion, folder: string): Promise<void> {
  await cp(app, folder, { recursive: true })
  for (const { file, find, text } of edits) {
    const parts = (await readFile(join(folder, file), 'utf8')).split(find)
    if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times, not once: ${find}`)
    await writeFile(join(folder, file), parts.join(text))
  }
  const shared = [`${folder}/shared=/shared`, `${folder}/version.json=/version.json`]
  for (const service of ['backend', 'frontend']) {
    const own = [`${folder}/${service}=/${service}`]
    // Commands are typed into `/`, the only working directory that the tool knows.
    if (service === 'backend') own.push(`${folder}/backend/manage.js=/manage.js`)
    const version = `MOODIFY_VERSION=${tag}`
    await pack(`${REGISTRY}/${service}:${tag}`, [...shared, ...own], [`/${service}/server.mjs`], version)
  }
}

function whereIs(program: string): string {
  return execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim()
}

if (import.meta.main) {
  const tags = process.argv.slice(2)
  await packImages(tags.length > 0 ? tags : imageVersions.map(({ tag }) => tag))
}
