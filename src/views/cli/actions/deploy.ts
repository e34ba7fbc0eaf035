import type { Plan } from '../../../plan/plan.ts'
import type { Context } from '../../../verbs/context.ts'
import { type DeployOptions, deployCommand, planDeploy } from '../../../verbs/deploy.ts'
import type { Output } from '../output.ts'
import { planText } from '../plan-text.ts'
import { announceAndSend, type CommonFlags, type Compose, inEnvironment, watchUnlessDetached } from './common.ts'

interface DeployFlags extends CommonFlags, Omit<DeployOptions, 'monitorSeconds'> {
  readonly monitor?: number
  readonly dryRun?: boolean
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
    return watchUnlessDetached(context, output, flags, { afterSeq, wantsBack: false })
  })

async function showPlan(context: Context, output: Output, flags: DeployFlags): Promise<Plan | null> {
  const { monitor, ...rest } = flags
  const plan = await planDeploy(context, { ...rest, ...(monitor === undefined ? {} : { monitorSeconds: monitor }) })
  if (plan === null) {
    output.document({ kind: 'nothingToDo', version: flags.version })
    output.line(`${flags.version} is already live in ${context.environment.name}; nothing to do.`)
    return null
  }
  output.document({ kind: 'plan', plan })
  output.line(planText(plan, output.style, { width: output.width }))
  return plan
}
