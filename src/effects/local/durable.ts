import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

/** Replaces a file as a whole: after a crash it holds the old text or the new, and the new once this has returned. */
export function writeDurably(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const temporary = `${file}.${process.pid}.new`
  writeAndSync(temporary, text)
  renameSync(temporary, file)
  syncFolder(dirname(file))
}

/** Makes a file that only its owner may read, with all its text at once. @returns false when it exists already */
export function createDurably(file: string, text: string): boolean {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const temporary = `${file}.${process.pid}.new`
  writeAndSync(temporary, text)
  try {
    linkSync(temporary, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(temporary)
  }
  syncFolder(dirname(file))
  return true
}

/** @returns null when there is no such file */
export function readIfExists(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

export function readJson<T>(file: string): T | null {
  const text = readIfExists(file)
  return text === null ? null : (JSON.parse(text) as T)
}

export interface FileLock {
  release(): void
}

/**
 * A lock that the operating system gives back when its holder dies, however that happens. Node has no flock, so
 * it is the one of an SQLite file.
 *
 * @returns null when another process, or this one, holds it; who holds it has to keep the lock reachable until released
 */
export function tryLock(file: string): FileLock | null {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  closeSync(openSync(file, 'a', 0o600))
  const database = new DatabaseSync(file)
  try {
    database.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return null
    throw error
  }
  return { release: () => database.close() }
}

export async function lock(file: string, signal: AbortSignal): Promise<FileLock> {
  for (;;) {
    const held = tryLock(file)
    if (held) return held
    await sleep(LOCK_RETRY_MS, undefined, { signal })
  }
}

const SQLITE_BUSY = 5
const LOCK_RETRY_MS = 100

function writeAndSync(file: string, text: string): void {
  const descriptor = openSync(file, 'w', 0o600)
  try {
    writeSync(descriptor, text)
    fsyncSync(descriptor)
  } catch (error) {
    rmSync(file, { force: true })
    throw error
  } finally {
    closeSync(descriptor)
  }
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
