// What moodify.yaml says of the front, on the whole platform: a change takes effect without an outage.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { FrontStatus } from '../../src/effects/local/protocol.ts'
import { socketClient } from '../../src/effects/local/socket-client.ts'
import { type Embedded, embedded } from '../support/embedded.ts'
import { expectNothingDropped, figures, startLoad } from '../support/load.ts'
import { until } from '../support/until.ts'

/** Each takes two releases and a handover, on machines that have other things to do. */
const LONG = { timeout: 180_000 }

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function frontOf({ paths }: Embedded): Promise<FrontStatus> {
  const client = socketClient(paths.frontSocket('production'))
  try {
    return await client.request<FrontStatus>('GET', '/status')
  } finally {
    client.close()
  }
}

test('several processes and sessions under load, through two releases; metrics say what happened', LONG, async () => {
  const port = await freePort()
  const settings = {
    canary: { weights: [50, 100] },
    metrics: { listen: port },
    service: { affinity: { cookie: 'shop' } },
  }
  await using platform = embedded(settings)
  await platform.serve()
  const url = await platform.url()
  await using traffic = startLoad(url, { requestsPerSecond: 100 })

  platform.configure({ ...settings, environment: { front: { processes: 3 } } })
  await platform.moodify('up')
  expect(await platform.url()).toBe(url)
  await until('there are two workers', async () => (await frontOf(platform)).workers?.length === 2)
  await platform.moodify('deploy', '-v', 'good2', '-s', 'canary', '-m', '1', '--yes')
  await platform.settled()
  await platform.moodify('deploy', '-v', 'good', '-s', 'blue-green', '--again', '--yes')
  await platform.settled()
  const report = await traffic.stop()
  console.info(figures('one process of the front became three, then two releases', report))
  expectNothingDropped(report)

  const lines = (await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).split('\n')
  expect(lines).toContain('moodify_releases_total{environment="production",strategy="canary",outcome="released"} 1')
  expect(lines).toContain('moodify_releases_total{environment="production",strategy="blue-green",outcome="released"} 1')
  const counted = lines
    .filter((line) => line.startsWith('moodify_front_requests_total{'))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  expect(counted).toBeGreaterThan(0)
})

test(
  'TLS is switched on while it serves: the address says so, releases go on, and a bad pair changes nothing',
  LONG,
  async () => {
    await using platform = embedded()
    await platform.serve()
    const plain = await platform.url()
    const files = { cert: join(platform.root, 'cert.pem'), key: join(platform.root, 'key.pem') }
    const how = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    execFileSync('openssl', [...how, '-subj', '/CN=shop', '-keyout', files.key, '-out', files.cert], {
      stdio: 'ignore',
    })

    platform.configure({ environment: { front: { tls: { cert: 'cert.pem', key: 'cert.pem' } } } })
    const refused = await platform.run(['up'])
    expect(refused.code).toBe(2)
    expect(refused.stderr).toMatch(/CONFIG_INVALID.*environments\.production\.front\.tls/)
    expect((await fetch(plain)).status).toBe(200)

    platform.configure({ environment: { front: { processes: 2, tls: { cert: 'cert.pem', key: 'key.pem' } } } })
    await platform.moodify('up')
    const url = await platform.url()
    expect(url).toBe(plain.replace('http:', 'https:'))
    expect(await ask(url)).toBe('good')
    const deploy = platform.run(['deploy', '-v', 'good2', '-s', 'blue-green', '--yes'])
    let isOver = false
    void deploy.then(() => {
      isOver = true
    })
    // Without traffic nothing would be known of it.
    while (!isOver) expect(await ask(url)).toMatch(/^good2?$/)
    expect((await deploy).code).toBe(0)
    await platform.settled()
    expect(await ask(url)).toBe('good2')
  },
)

async function ask(url: string): Promise<string> {
  const sent = request(url, { rejectUnauthorized: false, agent: false })
  sent.end()
  const [answer] = await once(sent, 'response')
  let text = ''
  for await (const part of answer.setEncoding('utf8')) text += part
  return text
}
