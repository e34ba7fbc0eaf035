import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

// A process id alone names nothing: the kernel gives it away again. With the start time it names one process
// for good. On Linux the start time is in clock ticks since boot, so the boot's id is part of it.

export interface ProcessIdentity {
  readonly pid: number
  /** As written by the shim; only ever compared for equality. */
  readonly started: string
}

/** Start time of a running process in the form that the shim writes; null when there is none or it is a zombie. */
export function startedOf(pid: number): string | null {
  return process.platform === 'linux' ? startedOnLinux(pid) : startedByPs(pid)
}

export function isAlive({ pid, started }: ProcessIdentity): boolean {
  return startedOf(pid) === started
}

/** Sends a signal to this one process; false when it is gone. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  return isAlive(identity) && sendSignal(identity.pid, signal)
}

/** Sends a signal to the process group that this process leads. Never to a group of another process that has its id now. */
export function signalGroup(leader: ProcessIdentity, signal: NodeJS.Signals): boolean {
  return isAlive(leader) && sendSignal(-leader.pid, signal)
}

/**
 * Kills what is left of a process group whose leader is gone. Only where each process can be recognised as ours
 * by a variable of its environment, because nothing else keeps the group's id from being another's by now.
 */
export function killOrphans(groupId: number, variable: string): void {
  if (process.platform !== 'linux') return
  for (const { pid, group } of linuxProcesses()) {
    if (group === groupId && environmentHolds(pid, variable)) sendSignal(pid, 'SIGKILL')
  }
}

/** The program that a shim runs; the shim itself where that cannot be told. */
export function programOf(shimPid: number): number {
  try {
    const children = readFileSync(`/proc/${shimPid}/task/${shimPid}/children`, 'utf8').trim()
    return Number(children.split(' ')[0]) || shimPid
  } catch {
    return shimPid
  }
}

/** Resident memory in bytes of each process group; groups that do not run are left out. */
export function residentBytes(groupIds: ReadonlySet<number>): Map<number, number> {
  const totals = new Map<number, number>()
  for (const { group, bytes } of process.platform === 'linux' ? linuxMemory(groupIds) : psMemory()) {
    if (groupIds.has(group)) totals.set(group, (totals.get(group) ?? 0) + bytes)
  }
  return totals
}

function sendSignal(target: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(target, signal)
  } catch {
    return false
  }
}

function startedOnLinux(pid: number): string | null {
  const fields = linuxStat(pid)
  if (!fields || fields[0] === 'Z' || fields[0] === 'X') return null
  return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[19]}`
}

function startedByPs(pid: number): string | null {
  try {
    const line = execFileSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      env: psEnvironment,
    }).trim()
    const [, state, started] = /^(\S+)\s+(.*)$/.exec(line) ?? []
    return !state || state.startsWith('Z') ? null : started!
  } catch {
    return null
  }
}

const psEnvironment = { PATH: process.env['PATH'], LC_ALL: 'C' }

/** Fields of /proc/PID/stat from the third, `state`, on; the second may hold spaces and is skipped. */
function linuxStat(pid: number | string): string[] | null {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return line.slice(line.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null
  }
}

function linuxProcesses(): { pid: number; group: number }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const fields = linuxStat(name)
      return fields ? [{ pid: Number(name), group: Number(fields[2]) }] : []
    })
}

function environmentHolds(pid: number, variable: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(variable)
  } catch {
    return false
  }
}

function linuxMemory(groupIds: ReadonlySet<number>): { group: number; bytes: number }[] {
  return linuxProcesses()
    .filter(({ group }) => groupIds.has(group))
    .map(({ pid, group }) => ({ group, bytes: linuxResident(pid) }))
}

function linuxResident(pid: number): number {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return Number(kilobytes ?? 0) * 1024
  } catch {
    return 0
  }
}

function psMemory(): { group: number; bytes: number }[] {
  const lines = execFileSync('ps', ['-axo', 'pgid=,rss='], { encoding: 'utf8' }).trim().split('\n')
  return lines.map((line) => {
    const [group, kilobytes] = line.trim().split(/\s+/)
    return { group: Number(group), bytes: Number(kilobytes) * 1024 }
  })
}
