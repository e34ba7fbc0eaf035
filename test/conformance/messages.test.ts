import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fakeClock } from '../../src/effects/fakes/clock.ts'
import { fakeHooks, fakeNotifier } from '../../src/effects/fakes/messages.ts'
import { shellHooks } from '../../src/effects/hooks/shell.ts'
import { webhookNotifier } from '../../src/effects/notify/webhook.ts'
import type { HookRun, Notification } from '../../src/effects/ports/messages.ts'
import { describeHooks } from './hooks.ts'
import { describeNotifier } from './notifier.ts'

describeNotifier('fake', () => {
  const notifier = fakeNotifier()
  return {
    notifier,
    received: () => notifier.told,
    refuse() {
      notifier.refuses = true
    },
    async [Symbol.asyncDispose]() {},
  }
})

describeNotifier('webhook', async () => {
  const received: Notification[] = []
  let status = 204
  const server = createServer(async (request, response) => {
    const body = (await request.toArray()).join('')
    if (status < 300) received.push(JSON.parse(body))
    response.writeHead(status).end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return {
    // The pauses between attempts pass at once.
    notifier: webhookNotifier({ url: `http://127.0.0.1:${port}/hook`, clock: fakeClock() }),
    received: () => received,
    refuse() {
      status = 503
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
})

function hook(command: string, name = 'before', timeoutMs = 20_000): HookRun {
  return { name, command, timeoutMs, context: {} }
}

describeHooks('fake', () => {
  const hooks = fakeHooks({ 'ends-0': 0, 'ends-1': 1, 'ends-3': 3, 'ends-127': 127 })
  return {
    hooks,
    ending: (exitCode) => hook(`exit ${exitCode}`, `ends-${exitCode}`),
    marks: () => hooks.ran.length,
    real: 'nothing is run, so nothing is said and no time passes',
    async [Symbol.asyncDispose]() {},
  }
})

describeHooks('by the shell', () => {
  const directory = mkdtempSync(join(tmpdir(), 'moodify-hooks-'))
  const marks = join(directory, 'marks')
  return {
    hooks: shellHooks({ directory }),
    ending: (exitCode) => hook(`printf x >>marks; exit ${exitCode}`),
    marks: () => (existsSync(marks) ? readFileSync(marks).length : 0),
    real: {
      saying: (text) => hook(`echo "${text}"`),
      endless: (timeoutMs) => hook('while :; do sleep 1; done', 'before', timeoutMs),
    },
    async [Symbol.asyncDispose]() {
      rmSync(directory, { recursive: true, force: true })
    },
  }
})
