import { OperatingError } from '../../../errors/catalogue.ts'
import { sharesInWords } from '../../../plan/words.ts'
import type { Context } from '../../../verbs/context.ts'
import type { Say } from '../../../verbs/steps/ground.ts'
import { monitorStep } from '../../../verbs/steps/monitor.ts'
import { activeSlotOf, promoteStep, switchStep, weightStep } from '../../../verbs/steps/traffic.ts'
import { applyStep, scaleDownStep, type Verified, verifyStep, verifyUrl } from '../../../verbs/steps/workloads.ts'
import type { Output } from '../output.ts'
import { type CommonFlags, type Compose, inEnvironment } from './common.ts'

export const stepNames = ['apply', 'verify', 'switch', 'weight', 'monitor', 'promote', 'scale-down'] as const
export type StepName = (typeof stepNames)[number]

interface StepFlags extends CommonFlags {
  readonly service?: string
  readonly version?: string
  readonly slot?: string
  readonly replicas?: number
  readonly url?: string
}

/** Prints the live slot and nothing else, so that a shell can take it. */
export const envAction =
  (compose: Compose) =>
  async (flags: StepFlags): Promise<number> => {
    const context = compose(process.cwd(), flags.environment)
    try {
      process.stdout.write(`${(await activeSlotOf(context, serviceOf(context, flags))) ?? ''}\n`)
      return 0
    } finally {
      context.journal.close()
      context.platform.close?.()
    }
  }

export const stepAction = (compose: Compose) =>
  inEnvironment<StepFlags>(compose, async (context, output, flags, step, value) => {
    const say: Say = (line) => output.line(line)
    const options = { service: serviceOf(context, flags), ...(flags.slot ? { slot: flags.slot } : {}) }
    switch (step as StepName) {
      case 'apply': {
        const replicas = flags.replicas === undefined ? {} : { replicas: flags.replicas }
        output.document(await applyStep(context, { ...options, ...replicas, version: versionOf(flags, 'apply') }, say))
        return 0
      }
      case 'verify':
        return printVerified(
          output,
          await (flags.url ? verifyUrl(context, { ...options, url: flags.url }) : verifyStep(context, options, say)),
        )
      case 'switch':
        return printShares(output, await switchStep(context, { ...options, ...(value ? { slot: value } : {}) }, say))
      case 'weight':
        return printShares(output, await weightStep(context, { ...options, percent: percentOf(value) }, say))
      case 'monitor':
        return monitor(context, output, { ...options, seconds: secondsOf(value) }, say)
      case 'promote': {
        const { slot } = await promoteStep(context, { ...options, version: versionOf(flags, 'promote') }, say)
        output.document({ slot })
        output.line(`${slot} has all of the traffic. The canary may go: moodify step scale-down canary`)
        return 0
      }
      case 'scale-down': {
        const slot = value ?? flags.slot
        if (!slot) throw new OperatingError('BAD_FLAG', 'scale-down needs a slot', 'moodify step scale-down canary')
        await scaleDownStep(context, { ...options, slot }, say)
        output.document({ slot })
        output.line(`${slot} has ended.`)
        return 0
      }
    }
  })

function serviceOf({ config }: Context, { service }: StepFlags): string {
  return service ?? config.services[0]?.name ?? ''
}

function versionOf({ version }: StepFlags, step: StepName): string {
  if (version) return version
  throw new OperatingError('BAD_FLAG', `${step} needs a version`, `moodify step ${step} -v VERSION`)
}

function percentOf(text: string | undefined): number {
  const percent = Number(text)
  if (text !== undefined && /^\d+$/.test(text) && percent <= 100) return percent
  throw new OperatingError('BAD_FLAG', 'weight needs a whole percent from 0 to 100', 'moodify step weight 10')
}

function secondsOf(text: string | undefined): number {
  if (text === undefined) return 300
  if (/^\d+$/.test(text) && Number(text) > 0) return Number(text)
  throw new OperatingError('BAD_FLAG', 'monitor takes a number of seconds', 'moodify step monitor 300')
}

function printShares(output: Output, shares: Readonly<Record<string, number>>): number {
  output.document({ shares })
  output.line(`The data plane follows: ${sharesInWords(shares)}`)
  return 0
}

function printVerified(output: Output, verified: readonly Verified[]): number {
  output.document(verified)
  let failed = 0
  for (const { slot, url, results } of verified) {
    output.line(`${url ?? slot}:`)
    for (const { name, passed, saw } of results) {
      const mark = passed ? output.style.green('passed') : output.style.red('FAILED')
      output.line(`  ${mark}  ${name}: ${saw}`)
      if (!passed) failed += 1
    }
    if (results.length === 0) output.line('  moodify.yaml has no smoke tests for it')
  }
  if (failed === 0) return 0
  const what = failed === 1 ? 'One smoke test failed' : `${failed} smoke tests failed`
  throw new OperatingError('CHECK_FAILED', `${what}.`, 'moodify logs')
}

async function monitor(
  context: Context,
  output: Output,
  options: { readonly service: string; readonly seconds: number },
  say: Say,
): Promise<number> {
  const verdict = await monitorStep(context, options, say)
  output.document(verdict)
  output.line(`${verdict.kind}: ${verdict.reason}`)
  return { healthy: 0, unhealthy: 3, unknown: 5 }[verdict.kind]
}
