import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { serviceAccountCredentials } from '../../src/effects/kubernetes/service-account.ts'

function mounted() {
  const folder = mkdtempSync(join(tmpdir(), 'moodify-account-'))
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
  write('ca.crt', 'CA\n')
  write('namespace', 'shop')
  write('token', 'first\n')
  return { folder, write, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) }
}

test('a pod is its service account, by the newest token that was mounted', async () => {
  using account = mounted()
  const env = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '6443' }
  const { server, namespace, apply } = serviceAccountCredentials(account.folder, env)
  expect([server.href, namespace]).toEqual(['https://10.0.0.1:6443/', 'shop'])
  expect(await apply()).toEqual({ ca: 'CA', headers: { authorization: 'Bearer first' } })
  account.write('token', 'second')
  expect(await apply()).toMatchObject({ headers: { authorization: 'Bearer second' } })
})

test('an address of IPv6 is written as in a URL', () => {
  using account = mounted()
  const { server } = serviceAccountCredentials(account.folder, { KUBERNETES_SERVICE_HOST: 'fd00::1' })
  expect(server.href).toBe('https://[fd00::1]/')
})

test('outside of a pod that is said', () => {
  using account = mounted()
  expect(() => serviceAccountCredentials(account.folder, {})).toThrow('This is no pod with a service account')
})
