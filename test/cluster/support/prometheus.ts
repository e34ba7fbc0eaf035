// A real Prometheus for one test, such as Debian's package has it.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../../support/until.ts'

export const hasPrometheus = spawnSync('prometheus', ['--version']).status === 0

export interface PrometheusServer extends AsyncDisposable {
  query(text: string): Promise<string>
}

export interface ScrapeTarget {
  readonly port: number
  readonly path: string
  readonly params?: Readonly<Record<string, readonly string[]>>
  readonly labels?: Readonly<Record<string, string>>
}

/** Scrapes every other second; a busy machine may need one of them for an answer. */
export async function startPrometheus(targets: readonly ScrapeTarget[]): Promise<PrometheusServer> {
  const folder = await mkdtemp(join(tmpdir(), 'moodify-prometheus-'))
  const jobs = targets.map(({ port, path, params = {}, labels = {} }, index) => ({
    job_name: `job-${index}`,
    metrics_path: path,
    params,
    static_configs: [{ targets: [`127.0.0.1:${port}`], labels }],
  }))
  const config = { global: { scrape_interval: '2s', scrape_timeout: '2s' }, scrape_configs: jobs }
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config))
  const address = `127.0.0.1:${await freePort()}`
  const process = spawn(
    'prometheus',
    [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=${address}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  )
  const ended = new Promise((resolve) => process.once('exit', resolve))
  await until('Prometheus is ready', () =>
    fetch(`http://${address}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    ),
  )
  return {
    async query(text) {
      const answer = await fetch(`http://${address}/api/v1/query?query=${encodeURIComponent(text)}`)
      return answer.text()
    },
    async [Symbol.asyncDispose]() {
      process.kill()
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
