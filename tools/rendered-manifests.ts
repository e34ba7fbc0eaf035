// Writes kubernetes/staging and kubernetes/production: the layout `single` filled in, for people who type
// `kubectl apply -f .`. With --check it writes nothing and fails where a file is not what it would write.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fillManifest, manifestFiles } from '../src/effects/kubernetes/manifests.ts'

const kubernetes = join(dirname(fileURLToPath(import.meta.url)), '../kubernetes')

const application = ['common/configmap.yaml', 'common/secrets.yaml', 'frontend', 'single']
const folders = [
  { folder: 'staging', namespace: 'moodify-staging', from: application },
  { folder: 'production', namespace: 'moodify-production', from: application },
  { folder: 'production/canary', namespace: 'moodify-production', from: ['canary/backend-canary.yaml'] },
]

const wanted = new Map(
  folders.flatMap(({ folder, namespace, from }) =>
    manifestFiles(from.map((path) => join(kubernetes, path))).map((source) => {
      const name = relative(kubernetes, source)
      const text = fillManifest(readFileSync(source, 'utf8'), name, {
        IMAGE_REGISTRY: 'your-registry.azurecr.io',
        IMAGE_TAG: 'v1.2.3',
        NAMESPACE: namespace,
      })
      const head = `# kubernetes/${name}, filled in. Change that file and run \`npm run manifests\`.\n`
      return [join(kubernetes, folder, basename(source)), head + text] as const
    }),
  ),
)

const unknown = folders.flatMap(({ folder }) =>
  readdirSync(join(kubernetes, folder), { withFileTypes: true })
    .filter((entry) => entry.isFile() && !wanted.has(join(kubernetes, folder, entry.name)))
    .map((entry) => `${folder}/${entry.name}`),
)
for (const name of unknown) fail(`kubernetes/${name} is rendered from nothing`)

for (const [path, text] of wanted) {
  const current = existsSync(path) ? readFileSync(path, 'utf8') : null
  if (current === text) continue
  if (process.argv.includes('--check'))
    fail(`kubernetes/${relative(kubernetes, path)} is not what its source renders to`)
  else writeFileSync(path, text)
}

function fail(what: string): void {
  console.error(what)
  process.exitCode = 1
}
