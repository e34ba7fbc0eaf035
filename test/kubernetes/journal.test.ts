import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Api, KubernetesObject } from '../../src/effects/kubernetes/api.ts'
import { ApiUnreachable } from '../../src/effects/kubernetes/api.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { JournalDamaged } from '../../src/journal/journal.ts'
import { HEAD_BYTES } from '../../src/journal/pages.ts'
import { type ApiServer, apiServer } from '../support/api-server/index.ts'
import { changeHead, type NamespaceJournalOptions, namespaceJournal } from '../support/namespace-journals.ts'
import { append, decisionOf, ship, shipMany, start, stateIn, takeOver } from '../support/small-releases.ts'
import { until } from '../support/until.ts'

const HEAD = 'moodify-journal-production'
const configMaps = { apiVersion: 'v1', plural: 'configmaps', namespace: 'shop' }

let server: ApiServer
const opened: Journal[] = []
beforeEach(() => {
  server = apiServer({ namespaces: ['shop'] })
})
afterEach(async () => {
  for (const journal of opened.splice(0)) journal.close()
  await server[Symbol.asyncDispose]()
})

function open(options: NamespaceJournalOptions = {}, api: Api = server.api): Journal {
  const journal = namespaceJournal(api, 'shop', options)
  opened.push(journal)
  return journal
}

async function objects(part?: string): Promise<readonly KubernetesObject[]> {
  const labelSelector = `moodify.dev/journal=production${part ? `,moodify.dev/part=${part}` : ''}`
  return (await server.api.list(configMaps, { labelSelector })).items
}

const bytesOf = (object: KubernetesObject) =>
  Object.values(object['data'] as Record<string, string>).reduce((sum, text) => sum + text.length, 0)

/** What gzip makes nothing of. */
const noise = (bytes: number) =>
  Array.from({ length: bytes / 8 }, () => Math.random().toString(36).slice(2, 10)).join('')

/** Lets one call of a kind happen and hides its answer, or hides the call. */
function losing(api: Api, method: 'replace' | 'create', when: 'before' | 'after'): Api & { lost: number } {
  const lossy = {
    ...api,
    lost: 0,
    async [method](...call: Parameters<Api['replace']>) {
      if (lossy.lost++ > 0) return api[method](...call)
      if (when === 'after') await api[method](...call)
      throw new ApiUnreachable('socket hang up')
    },
  }
  return lossy
}

describe('the head', () => {
  test('stays small, whatever is written: what does not fit goes into pages', async () => {
    const journal = open()
    let writer = await takeOver(journal)
    for (let release = 0; release < 4; release++) {
      writer = await start(journal, writer, noise(2000))
      for (let step = 0; step < 6; step++)
        writer = await append(journal, writer, decisionOf({ kind: 'paused' }, noise(5000)))
      const [head] = await objects('head')
      expect(bytesOf(head!)).toBeLessThanOrEqual(HEAD_BYTES + 200)
      writer = await append(journal, writer, decisionOf({ kind: 'releaseEnded', outcome: 'released' }))
    }
    expect((await objects('page')).length).toBeGreaterThan(3)
    expect(await stateIn(open())).toEqual(writer.state)
    expect((await open().read()).map(({ seq }) => seq)).toEqual(
      Array.from({ length: writer.state.seq }, (_, index) => index + 1),
    )
  })

  test('says in words what is in it', async () => {
    const journal = open()
    await ship(journal, await takeOver(journal))
    const [head] = await objects('head')
    expect(head!['data']).toMatchObject({ about: 'production: epoch 1, 7 records' })
  })

  test('a status is one request, whatever there was', async () => {
    const journal = open()
    const last = await shipMany(journal, await takeOver(journal), 30)
    await start(journal, last)
    server.requests.length = 0
    await open().newest()
    expect(server.requests).toEqual([`GET /api/v1/namespaces/shop/configmaps/${HEAD}`])
  })
})

describe('pages', () => {
  test('of many small releases are put together, and never in two pieces', async () => {
    const journal = open({ keepReleases: 40 })
    await shipMany(journal, await takeOver(journal), 36)
    const pages = await objects('page')
    expect(pages.length).toBeLessThanOrEqual(6)
    const records = await open().read()
    expect(records.map(({ seq }) => seq)).toEqual(records.map((_, index) => index + 1))
  })

  test('that no head came to name are not read, and go when their turn comes', async () => {
    const journal = open({ keepReleases: 2 })
    const first = await shipMany(journal, await takeOver(journal), 1)
    const broken = open({ keepReleases: 2 }, { ...server.api, replace: () => Promise.reject(new Error('killed')) })
    const running = await start(journal, first)
    await expect(append(broken, running, decisionOf({ kind: 'paused' }, noise(30_000)))).rejects.toThrow('killed')
    const orphaned = await objects('page')
    const other = await takeOver(open({ keepReleases: 2 }))
    const ended = await append(journal, other, decisionOf({ kind: 'releaseEnded', outcome: 'released' }))
    await journal.seal(ended.state)
    await shipMany(journal, ended, 6)
    const left = (await objects('page')).map(({ metadata }) => metadata.name)
    for (const { metadata } of orphaned) expect(left).not.toContain(metadata.name)
    expect((await open().read()).at(-1)!.seq).toBeGreaterThan(ended.state.seq)
  })
})

describe('an answer that is lost', () => {
  test.each(['before', 'after'] as const)('%s the write: the record stands there once', async (when) => {
    const writer = await takeOver(open())
    const lossy = losing(server.api, 'replace', when)
    const later = await append(open({ sleep: async () => {} }, lossy), writer, decisionOf({ kind: 'paused' }, 'once'))
    expect(lossy.lost).toBe(when === 'before' ? 2 : 1)
    const records = await open().read(writer.state.seq)
    expect(records.map(({ reason }) => reason)).toEqual(['once'])
    expect(later.state.seq).toBe(writer.state.seq + 1)
  })

  test('of a command: it is in the inbox once', async () => {
    await open().post({ verb: 'pause' }, { kind: 'person', name: 'ana' })
    const journal = open({ sleep: async () => {} }, losing(server.api, 'replace', 'after'))
    await journal.post({ verb: 'abort' }, { kind: 'person', name: 'ana' })
    expect((await open().commands(0)).map(({ command }) => command.verb)).toEqual(['pause', 'abort'])
  })

  test('while the API server is restarted for half a minute an append waits', async () => {
    const writer = await takeOver(open())
    let nowMs = 0
    const sleep = async (ms: number) => {
      nowMs += ms
      if (nowMs > 30_000) server.start()
    }
    server.stop()
    await append(open({ sleep, nowMs: () => nowMs }), writer, decisionOf({ kind: 'paused' }))
    expect(nowMs).toBeGreaterThan(30_000)
    expect(await open().read(writer.state.seq)).toHaveLength(1)
  })

  test('for long: the journal has failed, and says of what', async () => {
    const writer = await takeOver(open())
    let nowMs = 0
    const sleep = async (ms: number) => {
      nowMs += ms
    }
    server.stop()
    const refused = append(open({ sleep, nowMs: () => nowMs }), writer, decisionOf({ kind: 'paused' }))
    await expect(refused).rejects.toMatchObject({
      code: 'JOURNAL_FAILED',
      message: expect.stringContaining('ECONNREFUSED'),
    })
    server.start()
    expect(await open().read(writer.state.seq)).toEqual([])
  })
})

describe('damage', () => {
  test('a head that is gone is not taken for that of a new environment', async () => {
    const journal = open()
    await ship(journal, await takeOver(journal))
    await server.api.delete(configMaps, HEAD)
    for (const refused of [() => open().newest(), () => open().takeEpoch({ name: 'late', moodify: '0' })]) {
      const error = (await refused().catch((thrown: unknown) => thrown)) as JournalDamaged
      expect(error).toBeInstanceOf(JournalDamaged)
      expect(error.message).toContain(`${HEAD} is gone`)
      expect(error.hint).toContain('kubectl get configmaps')
    }
  })

  test('a head that somebody has changed is not folded, and nothing is added to it', async () => {
    const journal = open()
    await ship(journal, await takeOver(journal))
    await server.api.merge(configMaps, HEAD, { data: { head: '{"epoch":0,"environment":"production","pages":[]}' } })
    await expect(open().newest()).rejects.toBeInstanceOf(JournalDamaged)
    await expect(open().takeEpoch({ name: 'late', moodify: '0' })).rejects.toBeInstanceOf(JournalDamaged)
  })

  test('a page that is gone is missed by whoever reads of it, and by nobody else', async () => {
    const journal = open({ keepReleases: 8 })
    const last = await start(journal, await shipMany(journal, await takeOver(journal), 8))
    const [page] = await objects('page')
    await server.api.delete(configMaps, page!.metadata.name)
    await expect(open().read()).rejects.toThrow(/records 1 to \d+ are missing/)
    expect(await stateIn(open())).toEqual(last.state)
    const next = await append(open(), last, decisionOf({ kind: 'paused' }))
    expect(await stateIn(open())).toEqual(next.state)
  })

  test('a head sealed by a newer moodify is folded from the page before, as long as that is there', async () => {
    const journal = open()
    const last = await start(journal, await shipMany(journal, await takeOver(journal), 2))
    await changeHead(server.api, 'shop', (head) => ({ ...head, seal: { ...head.seal, version: 99 } }))
    expect(await stateIn(open())).toEqual(last.state)
  })
})

describe('followed by a watch', () => {
  test('what others write and leave is seen, and looking costs no request', async () => {
    const journal = open({ follow: true })
    const writer = await takeOver(journal)
    await journal.post({ verb: 'pause' }, { kind: 'person', name: 'ana' })
    for (let look = 0; look < 3; look++) await Promise.all([journal.commands(0), journal.read()])
    await until('a watch', () => server.requests.some((request) => request.startsWith('WATCH')))
    const other = open()
    await append(other, writer, decisionOf({ kind: 'paused' }, 'by another'))
    await other.post({ verb: 'abort' }, { kind: 'person', name: 'bo' })
    await until('the record', async () => (await journal.read(writer.state.seq)).length === 1)
    await until('the command', async () => (await journal.commands(1)).length === 1)
    server.requests.length = 0
    for (let look = 0; look < 50; look++) await Promise.all([journal.commands(0), journal.read(writer.state.seq)])
    expect(server.requests).toEqual([])
  })

  test('what it has written itself it sees at once, also when the watch lags or is too old', async () => {
    const journal = open({ follow: true })
    let writer = await takeOver(journal)
    for (let step = 0; step < 20; step++) {
      if (step === 5) server.endWatches()
      if (step === 10) server.compact()
      if (step === 11) server.endWatches()
      writer = await append(journal, writer, decisionOf({ kind: 'paused' }, `step ${step}`))
      expect((await journal.read()).at(-1)!.reason).toBe(`step ${step}`)
    }
  })

  test('while the API server is away what was known is known', async () => {
    const journal = open({ follow: true })
    const writer = await takeOver(journal)
    for (let look = 0; look < 3; look++) await journal.read()
    await until('a watch', () => server.requests.some((request) => request.startsWith('WATCH')))
    server.stop()
    expect(await journal.read()).toHaveLength(writer.state.seq)
    server.start()
    await append(open(), writer, decisionOf({ kind: 'paused' }))
    await until('the watch again', async () => (await journal.read(writer.state.seq)).length === 1)
  })
})
