import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** Functions with the most time of their own, as a table, from what `node --cpu-prof` wrote. */
export function topOfProfile(folder: string, lines = 25): string {
  const profile: Profile = JSON.parse(readFileSync(join(folder, readdirSync(folder)[0]!), 'utf8'))
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const own = new Map<string, number>()
  profile.samples.forEach((id, index) => {
    const name = names.get(id)!
    own.set(name, (own.get(name) ?? 0) + profile.timeDeltas[index]!)
  })
  own.delete('(idle)')
  const total = [...own.values()].reduce((sum, time) => sum + time, 0)
  const rows = [...own].toSorted(([, a], [, b]) => b - a).slice(0, lines)
  return rows.map(([name, time]) => `${((100 * time) / total).toFixed(1).padStart(5)} %  ${name}`).join('\n')
}

function nameOf({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  const file = url.split('/').at(-1)
  return `${functionName || '(anonymous)'}${file ? `  ${file}:${lineNumber + 1}` : ''}`
}
