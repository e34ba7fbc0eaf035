// The manifests that this project ships, without what only a kubelet needs: reading YAML is most of what a release costs
// where nothing else is slow.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'

const source = new URL('../../kubernetes/', import.meta.url).pathname
const folders = ['blue-green', 'single', 'canary']

// biome-ignore lint/suspicious/noExplicitAny: manifests as they are
type Manifest = any

/** A new folder of the same layout; whoever asked for it removes it. */
export function slimManifests(): string {
  const target = mkdtempSync(join(tmpdir(), 'moodify-manifests-'))
  for (const folder of folders) {
    mkdirSync(join(target, folder))
    for (const file of readdirSync(join(source, folder)).filter((name) => name.startsWith('backend-'))) {
      const objects = parseAllDocuments(readFileSync(join(source, folder, file), 'utf8')).map((one) => one.toJS())
      const text = objects.map((object) => JSON.stringify(slim(object))).join('\n---\n')
      writeFileSync(join(target, folder, file), text)
    }
  }
  return target
}

function slim(object: Manifest): Manifest {
  const { apiVersion, kind, metadata, spec } = object
  if (kind !== 'Deployment') return object
  const [{ name, image, ports }] = spec.template.spec.containers
  const { terminationGracePeriodSeconds } = spec.template.spec
  const pod = { terminationGracePeriodSeconds, containers: [{ name, image, ports }] }
  return { apiVersion, kind, metadata, spec: { ...spec, template: { ...spec.template, spec: pod } } }
}
