// Types every command of the runbook into one shell per section, against the test cluster, under load, and holds what
// comes back to the ledger. `npm run test:runbook`.
import { execFile } from 'node:child_process'
import http from 'node:http'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TrafficClient } from '../../../demo/traffic.ts'
import { moodifyMix } from '../../../demo/traffic-mix.ts'
import { stretch } from '../../support/load.ts'
import { until } from '../../support/until.ts'
import { type Entry, loadLedger, type Section, type Typed, typedText } from '../ledger.ts'
import { type Answer, Shell } from './shell.ts'
import { createWorld, PRODUCTION, rolledOut, setUp, type World } from './world.ts'

const run = promisify(execFile)

const SECTION_MS = 1_800_000
const REQUESTS_PER_SECOND = 40
const SERVED_IN_A_ROW = 50
/** What kubectl and our scripts say when something works but is not as it should be. */
const WARNING = /^(warning|flag .* deprecated)/im

const sections = loadLedger().filter(({ name }) => name.includes(process.env['MOODIFY_TEST_SECTION'] ?? ''))

describe.skipIf(!process.env['MOODIFY_TEST_RUNBOOK'])('the runbook, typed', () => {
  let world: World
  beforeAll(async () => {
    world = await createWorld()
  }, SECTION_MS)
  afterAll(async () => await world?.[Symbol.asyncDispose](), SECTION_MS)

  test.for(sections)('$name', { timeout: SECTION_MS }, async (section) => {
    await setUp(world, section.fixture)
    const faults = await typeSection(world, section)
    expect(faults).toEqual([])
  })
})

async function typeSection(world: World, { fixture, given, blocks }: Section): Promise<string[]> {
  const shell = new Shell(world.clone, world.scratch, world.variables)
  const load = fixture === 'none' ? null : await startUsers(world)
  const faults: string[] = []
  let isOut = false
  try {
    for (const [name, value] of Object.entries(given)) await shell.type(`export ${name}="${value}"`)
    for (const { typed } of blocks) {
      for (const each of typed) {
        const before = load?.snapshot()
        const found = await typeOne(shell, each)
        const lost = load && before ? stretch(before, load.snapshot()) : null
        isOut ||= Boolean(running(each.entry)?.outage)
        if (lost && !isOut && lost.dropped + lost.errors > 0)
          found.push(
            `${lost.dropped} requests dropped and ${lost.errors} answered with an error, of ${lost.requests}: ` +
              JSON.stringify([load?.snapshot().drops.slice(-3), load?.snapshot().statuses, load?.snapshot().versions]) +
              (await whatHappened()),
          )
        faults.push(...found.map((fault) => `line ${each.command.line}: ${fault}`))
        say(each, found, lost?.requests ?? 0)
      }
    }
    if (isOut) await rolledOut(PRODUCTION, 'backend-deployment')
  } finally {
    await load?.stop()
    await shell.close()
  }
  return faults
}

/** Types a command as its entry says, and returns what is not as the entry says. */
async function typeOne(shell: Shell, typed: Typed): Promise<string[]> {
  const { entry } = typed
  const text = typedText(typed)
  if (text === '') return []
  const { before, interrupt, patience } = running(entry) ?? {}
  if (before) await shell.type(before)
  const giveUp = performance.now() + 1000 * (patience ?? 0)
  for (;;) {
    const answer = await shell.type(text, interrupt === undefined ? {} : { interruptMs: interrupt * 1000 })
    const faults = entry.class === 'not run here' ? standInFaults(answer) : faultsOf(entry, answer)
    if (faults.length === 0 || performance.now() > giveUp) return faults
    await new Promise((resolve) => setTimeout(resolve, 1000))
  }
}

type Running = Extract<Entry, { readonly class: 'as printed' | 'as printed, with warning' | 'corrected' }>

function running(entry: Entry): Running | null {
  return entry.class === 'not run here' || entry.class === 'not built yet' ? null : entry
}

function faultsOf(entry: Entry, answer: Answer): string[] {
  const { interrupt, says, exit } = running(entry) ?? {}
  const faults: string[] = []
  if (answer.late) faults.push('it went on for too long')
  // What a command ends with on Ctrl-C is its own business.
  if (interrupt === undefined && answer.exitCode !== (exit ?? 0))
    faults.push(`it ended with ${answer.exitCode}: ${answer.stderr.trim()}\n${answer.stdout.trim().slice(-1000)}`)
  if (says !== undefined && !new RegExp(says, 'm').test(answer.stdout))
    faults.push(`it says nothing like ${says}, but: ${answer.stdout.trim().slice(-600)}`)
  const { warning } = { warning: undefined, ...entry }
  if (warning !== undefined && !answer.stderr.includes(warning))
    faults.push(`it does not warn of ${warning}: ${answer.stderr.trim()}`)
  if (warning === undefined && WARNING.test(answer.stderr)) faults.push(`it warns: ${answer.stderr.trim()}`)
  return faults
}

/** A stand-in answers with success, or refuses because the command as printed lacks what the real one needs. */
function standInFaults({ exitCode, stderr }: Answer): string[] {
  if (exitCode === 0 || stderr.includes('arguments are required')) return []
  return [`the stand-in ended with ${exitCode}: ${stderr.trim()}`]
}

async function startUsers({ hosts }: World): Promise<TrafficClient> {
  const { url, headers } = await hosts.production()
  await served(url, headers)
  const kinds = moodifyMix
    .filter(({ name }) => name !== 'page')
    .map((kind) => ({
      ...kind,
      make: (random: () => number) => {
        const request = kind.make(random)
        return { ...request, headers: { ...request.headers, ...headers } }
      },
    }))
  const client = new TrafficClient({ url, kinds, requestsPerSecond: REQUESTS_PER_SECOND })
  client.start()
  return client
}

/** A gateway that has just heard of a service may not have heard of its pods yet. */
async function served(url: string, headers: Readonly<Record<string, string>>): Promise<void> {
  let inARow = 0
  await until('every request is served', async () => {
    const isGood = await new Promise<boolean>((resolve) => {
      const asked = http.get(`${url}/health`, { headers, agent: false }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode === 200))
      })
      asked.on('error', () => resolve(false))
    })
    inARow = isGood ? inARow + 1 : 0
    return inARow >= SERVED_IN_A_ROW
  })
}

/** What the cluster says of probes, endings and capacity: a machine without time to spare fails probes. */
async function whatHappened(): Promise<string> {
  const { stdout } = await run('kubectl', ['get', 'events', '-n', PRODUCTION, '--sort-by=.lastTimestamp'])
  const telling = stdout.split('\n').filter((line) => /Unhealthy|Killing|Failed|Rescale|Evict/.test(line))
  return `\n${telling.slice(-25).join('\n')}`
}

function say({ command, entry }: Typed, faults: readonly string[], requests: number): void {
  const mark = faults.length === 0 ? 'ok  ' : 'FAIL'
  const first = command.text.split('\n')[0]
  process.stdout.write(`${mark} ${command.line} ${entry.class}: ${first} (${requests} requests)\n`)
  for (const fault of faults) process.stdout.write(`       ${fault}\n`)
}
