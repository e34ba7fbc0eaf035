import { existsSync, realpathSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { CONFIG_FILE } from '../../../config/load.ts'
import { exitCodes, OperatingError } from '../../../errors/catalogue.ts'
import { doctor } from '../../../verbs/doctor.ts'
import { initialConfig } from '../../../verbs/init.ts'
import { createOutput } from '../output.ts'
import { systemdUnit } from '../systemd.ts'
import { askUnlessSure, type CommonFlags, type Compose, inEnvironment } from './common.ts'

export async function initAction(flags: { force?: boolean }): Promise<number> {
  const output = createOutput({})
  const file = join(process.cwd(), CONFIG_FILE)
  if (existsSync(file) && !flags.force) {
    throw new OperatingError('CONFIG_EXISTS', `${file} exists; it was left as it is`, 'moodify init --force')
  }
  writeFileSync(file, await initialConfig(process.cwd()))
  output.line(`${file} is written. Read it, change what is not so, then: moodify up`)
  return 0
}

/** Printed alone, so that it can be written to a file; nothing is started. */
async function printUnit(compose: Compose): Promise<number> {
  const { config, journal } = compose(process.cwd())
  journal.close()
  const { PATH, XDG_STATE_HOME, XDG_RUNTIME_DIR } = process.env
  const given = Object.entries({ PATH, XDG_STATE_HOME, XDG_RUNTIME_DIR })
  process.stdout.write(
    systemdUnit({
      application: config.name,
      root: config.root,
      command: [process.execPath, realpathSync(process.argv[1]!)],
      user: userInfo().username,
      environment: Object.fromEntries(given.flatMap(([name, value]) => (value ? [[name, value]] : []))),
    }),
  )
  return 0
}

export const upAction = (compose: Compose) => (flags: CommonFlags & { systemd?: boolean }) =>
  flags.systemd ? printUnit(compose) : startPlatform(compose)(flags)

const startPlatform = (compose: Compose) =>
  inEnvironment<CommonFlags>(compose, async (context, output) => {
    const addresses = await context.host.up()
    output.document(addresses)
    for (const { name, url } of addresses) output.line(`${name}: ${url}`)
    for (const { warning } of addresses) {
      if (warning) output.line(`${output.style.yellow('warning')}: ${warning.what}\nnext: ${warning.next}`)
    }
    output.line('The platform runs. Ship a version with: moodify deploy -v VERSION')
    return 0
  })

export const downAction = (compose: Compose) =>
  inEnvironment<CommonFlags>(compose, async (context, output, flags) => {
    const running = await context.host.facts(context.environment.name)
    if (running) await askUnlessSure(output, flags, 'Every environment of this folder stops serving. End it?')
    const ended = await context.host.down()
    output.document({ ended })
    output.line(
      ended
        ? 'The platform has ended; journals and logs are kept. Start it again with: moodify up'
        : 'Nothing was running.',
    )
    return 0
  })

export const doctorAction = (compose: Compose) =>
  inEnvironment<CommonFlags>(compose, async (context, output) => {
    const findings = await doctor(context)
    output.document(findings)
    const { style } = output
    const marks = { ok: style.green('ok     '), warning: style.yellow('warning'), failure: style.red('failure') }
    for (const { level, what, next } of findings)
      output.line(`${marks[level]}  ${what}${next ? `; next: ${next}` : ''}`)
    return findings.some(({ level }) => level === 'failure') ? exitCodes.operating.code : 0
  })
