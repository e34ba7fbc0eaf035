// A file beside standard output, for a collector that reads files. It is turned over at a size, so that it cannot fill
// the volume: the one before is kept as `.1`.
import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs'

const LIMIT_BYTES = 32 * 1024 * 1024

/**
 * A full or missing volume never ends the service: standard output still has every line.
 *
 * @param {string} path
 * @param {number} limitBytes
 * @returns {(line: string) => void}
 */
export function openLogFile(path, limitBytes = LIMIT_BYTES) {
  let file = null
  let bytes = 0

  function open() {
    file = openSync(path, 'a')
    bytes = fstatSync(file).size
  }

  function turnOver() {
    closeSync(file)
    file = null
    renameSync(path, `${path}.1`)
  }

  return (line) => {
    try {
      if (file !== null && bytes >= limitBytes) turnOver()
      if (file === null) open()
      bytes += writeSync(file, line)
    } catch {}
  }
}
