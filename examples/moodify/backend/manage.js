// Questions to a backend that runs, typed into its container: `kubectl exec deploy/backend-blue -- node manage.js memory`.
import { readFileSync } from 'node:fs'

const commands = { memory, help }

/** What the server process uses and what its container may use: `free` would tell of the whole node. */
async function memory() {
  const port = process.env.PORT || 8000
  const response = await fetch(`http://localhost:${port}/metrics`)
  const metrics = await response.text()
  const gauge = (name) => Number(metrics.match(new RegExp(`^${name} (\\S+)$`, 'm'))?.[1] ?? NaN)
  const resident = gauge('process_resident_memory_bytes')
  const limit = memoryLimitBytes()
  const report = {
    resident_bytes: resident,
    heap_used_bytes: gauge('nodejs_heap_size_used_bytes'),
    limit_bytes: limit,
    used_percent: limit === null ? null : Math.round((1000 * resident) / limit) / 10,
  }
  console.log(JSON.stringify(report))
}

/** @returns {number | null} null when the container has no limit */
function memoryLimitBytes() {
  for (const file of ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']) {
    try {
      const bytes = Number(readFileSync(file, 'utf8'))
      // "max", or version 1's way of saying the same.
      return Number.isFinite(bytes) && bytes < 2 ** 60 ? bytes : null
    } catch {}
  }
  return null
}

async function help() {
  console.log('node manage.js memory   resident memory, heap and the limit of the container, as JSON')
}

const name = process.argv[2] ?? 'help'
if (!Object.hasOwn(commands, name)) {
  console.error(`manage.js has no command ${name}; it has ${Object.keys(commands).join(', ')}`)
  process.exit(2)
}
commands[name]().catch((error) => {
  console.error(`${name}: ${error.cause?.message ?? error.message}`)
  process.exit(1)
})
