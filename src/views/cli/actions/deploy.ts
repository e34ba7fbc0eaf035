import type { Plan } from '../../../plan/plan.ts'
import type { Context } from '../../../verbs/context.ts'
import { type DeployOptions, deployCommand, planDeploy } from '../../../verbs/deploy.ts'
import { sightOf, stagesThatSee } from '../../../verbs/sight.ts'
import type { Output } from '../output.ts'
import { planText } from '../plan-text.ts'
import { proposalText, sightText } from '../sight-text.ts'
import { announceAndSend, type CommonFlags, type Compose, inEnvironment, watchUnlessDetached } from './common.ts'

interface DeployFlags extends CommonFlags, Omit<DeployOptions, 'monitorSeconds'> {
  readonly monitor?: number
  readonly dryRun?: boolean
  /** Requests per second to assume. */
  readonly rps?: number
  /** Error rate in percent that a first stage should find. */
  readonly see?: number
}

export const planAction = (compose: Compose) =>
  inEnvironment<DeployFlags>(compose, async (context, output, flags) => {
    await showPlan(context, output, flags)
    return 0
  })

export const deployAction = (compose: Compose) =>
  inEnvironment<DeployFlags>(compose, async (context, output, flags) => {
    const plan = await showPlan(context, output, flags)
    if (!plan || flags.dryRun) return 0
    const { afterSeq } = await announceAndSend(context, output, flags, deployCommand(plan, flags))
    return watchUnlessDetached(context, output, flags, { afterSeq, wantsBack: false, events: true })
  })

async function showPlan(context: Context, output: Output, flags: DeployFlags): Promise<Plan | null> {
  const { monitor, rps, see, ...rest } = flags
  const plan = await planDeploy(context, { ...rest, ...(monitor === undefined ? {} : { monitorSeconds: monitor }) })
  if (plan === null) {
    output.document({ kind: 'nothingToDo', version: flags.version })
    output.line(`${flags.version} is already live in ${context.environment.name}; nothing to do.`)
    return null
  }
  const assumed = rps === undefined ? {} : { requestsPerSecond: rps }
  const sees = await sightOf(context, plan, assumed)
  const proposals = see === undefined ? null : await stagesThatSee(context, plan, { ...assumed, rate: see / 100 })
  output.document({ kind: 'plan', plan, sees, ...(proposals ? { proposals } : {}) })
  output.line(planText(plan, output.style, { width: output.width, sees: sightText(sees) }))
  for (const line of proposals ? proposalText(see! / 100, proposals) : []) output.line(line)
  return plan
}
