// Which processes of this machine belong to a folder: by their command, their folder or their environment.
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'

export interface FoundProcess {
  readonly pid: number
  readonly command: string
}

/** Linux only; elsewhere nothing is found. */
export function processesOf(folder: string): FoundProcess[] {
  if (!existsSync('/proc/self')) return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      const command = textOf(`/proc/${name}/cmdline`)
      const isOurs = [command, textOf(`/proc/${name}/environ`), targetOf(`/proc/${name}/cwd`)].some((text) =>
        text.includes(folder),
      )
      return isOurs && !isZombie(name) ? [{ pid: Number(name), command: command.replaceAll('\0', ' ').trim() }] : []
    })
}

function isZombie(pid: string): boolean {
  return /^State:\s+[ZX]/m.test(textOf(`/proc/${pid}/status`))
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link)
  } catch {
    return ''
  }
}
