import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ObjectDifference } from '../../../effects/ports/preview.ts'
import { diff, render } from '../../../verbs/preview.ts'
import type { Style } from '../style.ts'
import { type CommonFlags, type Compose, inEnvironment } from './common.ts'

interface PreviewFlags extends CommonFlags {
  readonly version: string
  readonly slot?: string
  readonly output?: string
}

/** YAML and nothing else, so that it can be piped; with a folder a file for each Deployment and its like. */
export const renderAction =
  (compose: Compose) =>
  async (flags: PreviewFlags): Promise<number> => {
    const context = compose(process.cwd(), flags.environment)
    try {
      const objects = await render(context, flags)
      if (flags.output === undefined) {
        process.stdout.write(objects.map(({ text }) => text).join('---\n'))
        return 0
      }
      mkdirSync(flags.output, { recursive: true })
      for (const [name, same] of Object.entries(Object.groupBy(objects, (object) => object.name))) {
        const file = join(flags.output, `${name}.yaml`)
        writeFileSync(file, (same ?? []).map(({ text }) => text).join('---\n'))
        process.stdout.write(`${file}\n`)
      }
      return 0
    } finally {
      context.journal.close()
      context.platform.close?.()
    }
  }

export const diffAction = (compose: Compose) =>
  inEnvironment<PreviewFlags>(compose, async (context, output, flags) => {
    const found = await diff(context, flags)
    output.document(found)
    for (const line of found.flatMap((each) => differenceLines(each, output.style))) output.line(line)
    return 0
  })

export function differenceLines({ kind, name, exists, changes }: ObjectDifference, style: Style): string[] {
  if (!exists) return [style.green(`${kind} ${name} would be made`)]
  if (changes.length === 0) return [style.dim(`${kind} ${name} stays as it is`)]
  return [
    style.bold(`${kind} ${name}`),
    ...changes.map(({ path, before, after }) => `  ${path}: ${inWords(before)} → ${inWords(after)}`),
  ]
}

function inWords(value: unknown): string {
  return value === undefined ? 'nothing' : String(value)
}
