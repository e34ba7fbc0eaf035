import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type HostileCase, hostileCases } from './cases.ts'
import { exchange } from './exchange.ts'
import { nginxBinary } from './nginx.ts'
import { frontSide, nginxSide, type Side } from './sides.ts'

const all = Object.entries(hostileCases).flatMap(([about, cases]) =>
  cases.map((hostile) => [`${about}: ${hostile.name}`, hostile] as const),
)

let side: Side
const use = (start: () => Promise<Side>) => {
  beforeAll(async () => {
    side = await start()
  })
  afterAll(() => side[Symbol.asyncDispose]())
}

async function play(hostile: HostileCase, expected: readonly string[]) {
  const { backend } = side
  backend.script = hostile.backend ?? {}
  const before = await side.sent()
  const answers = await exchange(side.target, hostile, backend, expected)
  const played = {
    answers,
    seen: backend.seen().filter((words) => words !== 'GET /last 0'),
    read: backend.seen().length,
    sent: ((await side.sent()) ?? 0) - (before ?? 0),
    ambiguities: [...backend.ambiguities],
    names: backend.messages().flatMap(({ headers }) => headers.map(([name]) => name)),
  }
  await backend.forget()
  return played
}

describe('front', () => {
  use(frontSide)
  test.each(all)('%s', async (_name, hostile) => {
    const { answers, seen, ambiguities, sent, read, names } = await play(hostile, hostile.front)
    expect(answers).toEqual(hostile.front)
    expect(seen).toEqual(hostile.service)
    expect(ambiguities, 'what another reader could understand differently').toEqual([])
    expect(sent, 'requests that the front has counted').toBe(read)
    expect(seen.join()).not.toContain('smuggled ')
    expect(names.filter((name) => hostile.absent?.includes(name))).toEqual([])
  })
})

describe.skipIf(!nginxBinary)(`nginx${nginxBinary ? '' : ' (skipped: it is not installed)'}`, () => {
  use(nginxSide)
  test.each(all)('%s', async (_name, hostile) => {
    const { answers, seen } = await play(hostile, hostile.nginx)
    expect(answers).toEqual(hostile.nginx)
    expect(seen).toEqual(hostile.serviceOfNginx ?? hostile.service)
  })
})

test('hostile HTTP: where nginx serves what the front refuses, or the other way round, the table says why', () => {
  const isServed = (answers: readonly string[]) => answers.filter((words) => words.startsWith('2')).length
  const unexplained = all.filter(
    ([, { front, nginx, why }]) => isServed(front) !== isServed(nginx) && !why.includes('nginx'),
  )
  expect(unexplained.map(([name]) => name)).toEqual([])
})
