import { Agent } from 'node:http'
import { expect, test } from 'vitest'
import { fetchFrom, frontWith, startBackend } from './helpers.ts'

const CHANGES = 50
const WORKERS = 8

test('front: under load no request is dropped while the shares are switched 50 times and replicas come and go', async () => {
  const [a, b, c] = [await startBackend('a'), await startBackend('b'), await startBackend('c')]
  const front = await frontWith({ blue: a, green: b }, { blue: 100 })
  const agent = new Agent({ keepAlive: true, maxSockets: WORKERS / 2 })
  let running = true
  const answers = new Map<string, number>()

  async function work(worker: number): Promise<void> {
    // Half of them keep their connections, half open one for each request; a third of the requests have a body.
    const kept = worker % 2 === 0
    for (let i = 0; running; i++) {
      const post = i % 3 === 0 ? { method: 'POST', body: 'body' } : {}
      const { status, body } = await fetchFrom(front.port, '/', { agent: kept ? agent : false, ...post })
      const key = `${status} ${body}`
      answers.set(key, (answers.get(key) ?? 0) + 1)
    }
  }

  const workers = Array.from({ length: WORKERS }, (_, worker) => work(worker))
  for (let i = 0; i < CHANGES; i++) {
    // The slot without share gets another replica each time, and then the traffic.
    const [slot, other] = i % 2 ? ['blue', 'green'] : ['green', 'blue']
    await front.endpoints(slot, i % 2 ? [a, ...(i % 4 === 1 ? [c] : [])] : [b])
    await front.shares({ [slot]: 100 })
    const before = total(answers)
    while (total(answers) < before + 40) await new Promise((resolve) => setImmediate(resolve))
    expect((await front.slot(other)).outOfRotationMs).not.toBeNull()
  }
  running = false
  // A transport error would reject here.
  await Promise.all(workers)
  agent.destroy()
  expect([...answers.keys()].sort()).toEqual(['200 a', '200 b', '200 c'])
  expect(total(answers)).toBeGreaterThan(CHANGES * 40)
})

function total(answers: Map<string, number>): number {
  return [...answers.values()].reduce((sum, count) => sum + count, 0)
}
