import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { metricsPage } from '../../src/effects/local/supervisor/metrics.ts'
import { MetricsServer } from '../../src/effects/local/supervisor/metrics-server.ts'
import { evolve } from '../../src/engine/evolve.ts'
import { countersOf, fileMeter } from '../../src/runner/meter.ts'
import { SAMPLE_AT, sampleStates } from '../../tools/docs/sample-states.ts'

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'metrics-'))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  return made
}

const seen = {
  epoch: 1,
  front: { pid: 1, port: 1, socket: '' },
  runner: { pid: null, restarts: 0 },
  services: {
    backend: {
      slots: {
        blue: { desiredRevision: 'a', desiredReplicas: 2, replicas: [], addresses: {} },
      },
    },
  },
}

test('metrics: environments share the head of each metric, and the front gets the label of its environment', () => {
  const runnerFile = join(folder(), 'runner.json')
  writeFileSync(runnerFile, JSON.stringify({ 'releases_total{strategy="canary",outcome="released"}': 3, 'odd"': 1 }))
  const front =
    '# HELP moodify_front_connections Open.\n# TYPE moodify_front_connections gauge\nmoodify_front_connections 7\n'
  const page = metricsPage('1.2.3', [
    { environment: 'production', seen, runnerFile, front },
    { environment: 'staging', seen, runnerFile: join(folder(), 'nothing'), front: null },
  ])
  const lines = page.split('\n')
  expect(lines).toContain('moodify_releases_total{environment="production",strategy="canary",outcome="released"} 3')
  expect(lines).toContain('moodify_front_connections{environment="production"} 7')
  expect(lines).toContain('moodify_front_up{environment="staging"} 0')
  expect(lines).toContain('moodify_replicas_desired{environment="staging",service="backend",slot="blue"} 2')
  const heads = lines.filter((line) => line.startsWith('# TYPE'))
  expect(new Set(heads).size).toBe(heads.length)
  expect(page).not.toContain('odd')
})

test('metrics: a release that ends counts by strategy and outcome, and counts go on with the next runner', () => {
  const { state } = sampleStates().find(({ title }) => title.startsWith('v3 released by canary'))!
  const record = {
    version: 1,
    seq: state.seq + 1,
    at: SAMPLE_AT,
    epoch: 1,
    environment: 'production',
    release: 'r-3',
    reason: '',
    actor: { kind: 'moodify', name: 'moodify' },
    body: { kind: 'releaseEnded', outcome: 'released' },
  } as const
  expect(countersOf(record, state)).toEqual([
    'decisions_total{kind="releaseEnded"}',
    'releases_total{strategy="canary",outcome="released"}',
  ])
  expect(evolve(state, record).release).toBe(null)
  const file = join(folder(), 'runner.json')
  for (let runner = 0; runner < 2; runner++) {
    const meter = fileMeter(file, () => 0)
    meter.started()
    meter.recorded(record, state)
  }
  const page = metricsPage('1', [{ environment: 'production', seen, runnerFile: file, front: null }])
  expect(page).toContain('moodify_releases_total{environment="production",strategy="canary",outcome="released"} 2')
  expect(page).toContain('moodify_runner_starts_total{environment="production"} 2')
})

test('metrics: a folder that cannot be written to stops nothing', () => {
  const meter = fileMeter(join(folder(), 'not', 'there.json'), () => 0)
  expect(() => meter.started()).not.toThrow()
})

test('metrics: one path is served on the port of now, and a busy port is said', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void other.close())
  await new Promise((resolve) => other.once('listening', resolve))
  const { port: busy } = other.address() as AddressInfo
  const server = new MetricsServer(async () => 'page')
  onTestFinished(() => server.close())
  await expect(server.listen(busy)).rejects.toThrow(/EADDRINUSE/)
  const port = await freePort()
  await server.listen(port)
  expect(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).toBe('page')
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404)
  await server.listen(null)
  await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow()
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
