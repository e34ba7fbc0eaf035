// One application in a namespace of its own, shipped by the real command line, under load from a client without retries.
import { spawn } from 'node:child_process'
import { on, once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect } from 'vitest'
import type { KubernetesObject } from '../../../src/effects/kubernetes/api.ts'
import { REGISTRY } from '../images/pack.ts'
import { type ClusterNamespace, clusterNamespace } from './namespace.ts'

const root = join(import.meta.dirname, '../../..')
const CLIENT = join(import.meta.dirname, 'load.mjs')
/** Runs a command in the network of the cluster, where the addresses of Services lead somewhere. */
const ENTER = process.env['MOODIFY_TEST_ENTER'] ?? join(import.meta.dirname, '../enter')
const COMMAND_MS = 240_000

export interface Tally {
  readonly sent: number
  readonly answered: number
  /** Answers 5xx. */
  readonly failed: number
  /** Requests without an answer, and those whose answer is an error that somebody on the way has made. */
  readonly dropped: number
  readonly drops: readonly unknown[]
}

export interface Shipped extends ClusterNamespace {
  /** @returns exit code and everything that was printed */
  moodify(...argv: readonly string[]): Promise<{ code: number | null; text: string }>
  /** Starts a command; `said` resolves when it has printed this. */
  start(...argv: readonly string[]): Started
  /** By the public Service, or by a gateway that knows the application by a host name. */
  load(requestsPerSecond: number, gateway?: { port: number; host: string }): Promise<Load>
  /** The same command on another machine, which has the configuration and the kubeconfig and nothing else. */
  elsewhere(env?: Readonly<Record<string, string>>): Promise<Pick<Shipped, 'moodify' | 'start'>>
  object(plural: string, name: string): Promise<KubernetesObject>
}

export interface Load {
  /** Resolves when so many requests have been answered, in hundreds. */
  answered(requests: number): Promise<void>
  stop(): Promise<Tally>
}

export interface Started {
  said(text: string): Promise<void>
  signal(name: NodeJS.Signals): void
  readonly ended: Promise<{ code: number | null; text: string }>
}

export interface Options {
  readonly kubernetes?: string
  readonly settings?: string
}

/** @param options.settings  more lines of moodify.yaml at the top level */
export async function shipped(prefix: string, options: Options = {}): Promise<Shipped> {
  const cluster = await clusterNamespace(prefix)
  const folders: string[] = []
  const children = new Set<ReturnType<typeof spawn>>()

  async function machine(env: Readonly<Record<string, string>> = {}) {
    const folder = await mkdtemp(join(tmpdir(), 'moodify-cluster-test-'))
    const state = await mkdtemp(join(tmpdir(), 'moodify-cluster-state-'))
    folders.push(folder, state)
    await writeFile(join(folder, 'moodify.yaml'), configuration(cluster.namespace, options))
    await smallManifests(join(folder, 'kubernetes'))
    const start = (...argv: readonly string[]) => startIn(folder, { ...env, XDG_STATE_HOME: state }, argv)
    return { start, moodify: (...argv: readonly string[]) => start(...argv).ended }
  }

  function startIn(folder: string, env: Readonly<Record<string, string>>, argv: readonly string[]): Started {
    const child = spawn(process.execPath, [join(root, 'src/main.ts'), ...argv], {
      cwd: folder,
      env: { ...process.env, ...env, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: COMMAND_MS,
    })
    children.add(child)
    let text = ''
    const waiting: { readonly text: string; readonly resolve: () => void }[] = []
    const hear = (chunk: Buffer) => {
      text += chunk.toString()
      for (const one of waiting) if (text.includes(one.text)) one.resolve()
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    const ended = once(child, 'close').then(([code]) => {
      children.delete(child)
      return { code: code as number | null, text }
    })
    return {
      ended,
      signal: (name) => void child.kill(name),
      said(wanted: string) {
        const said = new Promise<void>((resolve) => waiting.push({ text: wanted, resolve }))
        if (text.includes(wanted)) return Promise.resolve()
        return Promise.race([
          said,
          ended.then(() => {
            throw new Error(`it ended without saying ${wanted}:\n${text}`)
          }),
        ])
      },
    }
  }

  const object = async (plural: string, name: string) => {
    const apiVersion = plural === 'deployments' ? 'apps/v1' : 'v1'
    const found = await cluster.api.get({ apiVersion, plural, namespace: cluster.namespace }, name)
    if (!found) throw new Error(`there is no ${plural}/${name}`)
    return found
  }

  return {
    ...cluster,
    ...(await machine()),
    object,
    elsewhere: machine,
    async load(requestsPerSecond, gateway) {
      const { clusterIP } = (await object('services', 'backend-service'))['spec'] as { clusterIP: string }
      const address = gateway ? `127.0.0.1:${gateway.port}` : `${clusterIP}:8000`
      const url = `http://${address}/api/recommendations?mood=happy`
      const command = [process.execPath, CLIENT, url, String(requestsPerSecond), ...(gateway ? [gateway.host] : [])]
      const [program, ...argv] = existsSync(ENTER) ? [ENTER, ...command] : command
      const client = spawn(program!, argv, { stdio: ['pipe', 'pipe', 'inherit'] })
      children.add(client)
      const lines = createInterface({ input: client.stdout })
      let last = ''
      lines.on('line', (line) => {
        last = line
      })
      return {
        async answered(requests) {
          for await (const [line] of on(lines, 'line', { close: ['close'] }))
            if ((JSON.parse(line) as Tally).answered >= requests) return
          throw new Error('the client has ended')
        },
        async stop() {
          client.stdin.end()
          await once(client, 'close')
          children.delete(client)
          return JSON.parse(last) as Tally
        },
      }
    },
    async [Symbol.asyncDispose]() {
      for (const child of children) child.kill('SIGKILL')
      for (const folder of folders) await rm(folder, { recursive: true, force: true })
      await cluster[Symbol.asyncDispose]()
    },
  }
}

/** The project's own, asking for so little that a small node can grant it to several tests at once. */
async function smallManifests(folder: string): Promise<void> {
  for (const part of ['blue-green', 'canary']) {
    await mkdir(join(folder, part), { recursive: true })
    for (const name of await readdir(join(root, 'kubernetes', part))) {
      const text = await readFile(join(root, 'kubernetes', part, name), 'utf8')
      const small = text.replaceAll('cpu: 100m', 'cpu: 40m').replaceAll('cpu: 10m', 'cpu: 1m')
      // Load on such small requests would bring all the replicas that the autoscaler may have.
      await writeFile(join(folder, part, name), small.replaceAll('maxReplicas: 15', 'maxReplicas: 4'))
    }
  }
}

function configuration(namespace: string, { kubernetes = '', settings = '' }: Options): string {
  const block = [`namespace: ${namespace}`, `registry: ${REGISTRY}`, kubernetes]
  return `
name: moodify
services:
  backend:
    replicas: 3
    drainSeconds: 2
    smoke:
      - request: GET /health
        contains: ready
      - request: GET /api/recommendations?mood=purple
        status: 404
        contains: unknown_mood
environments:
  production: { kubernetes: { ${block.filter(Boolean).join(', ')} } }
blueGreen: { monitorSeconds: 10 }
canary: { stageSeconds: 10 }
rolling: { monitorSeconds: 10, minReadySeconds: 2 }
triggers: { minRequests: 20, warmUpSeconds: 1 }
keepSeconds: 60
${settings}
`
}

/** A failure shows what was printed. */
export function expectCode({ code, text }: { code: number | null; text: string }, wanted: number): string {
  expect(code, text).toBe(wanted)
  return text
}

/** 0 of n; by the rule of three the true rate is then below 3/n. */
export function expectNothingDropped(tally: Tally, meanwhile = ''): void {
  expect(tally.drops, meanwhile).toEqual([])
  expect(tally.dropped).toBe(0)
  expect(tally.answered).toBeGreaterThan(100)
  console.info(`${expect.getState().currentTestName}: 0 of ${tally.answered} dropped`)
}
