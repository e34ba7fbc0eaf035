// One JSON object per line on stdout: what Fluent Bit, jq and people can all read.
import { openLogFile } from './log-file.mjs'
import { version } from './version.mjs'

const levels = { debug: 10, info: 20, warn: 30, error: 40 }

// A collector that went away must not end the service.
process.stdout.on('error', () => {})

/**
 * @param {string} service  name put on every line
 * @param {string} level    least important level that is written; LOG_LEVEL by default
 */
export function createLog(service, level = process.env.LOG_LEVEL ?? 'info') {
  const least = levels[level] ?? levels.info
  const writeToFile = process.env.LOG_FILE ? openLogFile(process.env.LOG_FILE) : () => {}
  const pod = process.env.POD_NAME || undefined
  const at = (name) => (message, fields) => {
    if (levels[name] < least) return
    const entry = { time: new Date().toISOString(), level: name, service, version, pod, message, ...fields }
    const line = JSON.stringify(entry) + '\n'
    process.stdout.write(line)
    writeToFile(line)
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
