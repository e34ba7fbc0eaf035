import { durationInWords } from '../domain/duration.ts'
import type { Shares } from '../domain/names.ts'
import type { Step } from './plan.ts'

/** `90 % blue, 10 % green` */
export function sharesInWords(shares: Shares): string {
  return Object.entries(shares)
    .filter(([, share]) => share > 0)
    .map(([slot, share]) => `${share} % ${slot}`)
    .join(', ')
}

/** What a step does, as one line for the plan, the journal and the screen. */
export function stepInWords(step: Step): string {
  switch (step.kind) {
    case 'prepare':
      if (step.revision.workload.source.kind === 'image')
        return `check with the cluster what would run for ${step.service} ${step.revision.version}`
      return `${step.revision.workload.build === null ? 'fetch' : 'build'} ${step.service} ${step.revision.version}`
    case 'hook':
      return `run hook ${step.name}: ${step.hook.run}`
    case 'apply': {
      const { placement } = step
      return `start ${placement.replicas} × ${step.service} ${placement.revision.version} in ${placement.slot}, wait until ready (${durationInWords(step.withinMs)} at most)`
    }
    case 'check':
      return step.tests.length === 0
        ? `no smoke tests are declared for ${step.service}`
        : `smoke-test ${step.service} in ${step.slot} at its own address (${step.tests.map((test) => test.name).join('; ')})`
    case 'approve':
      return `wait for approval: moodify promote (${durationInWords(step.withinMs)} at most)`
    case 'shift':
      return `send ${step.service} traffic: ${sharesInWords(step.shares)}`
    case 'analyse':
      return `judge ${step.service} at ${step.weightPercent} % for ${durationInWords(step.monitorMs)}${step.early ? ', or until it has shown itself' : ''}`
    case 'roll':
      return `roll ${step.service} in ${step.placement.slot} to ${step.placement.revision.version}, one replica at a time`
    case 'flip':
      return `${step.service} ${step.stable.revision.version} in ${step.stable.slot} becomes stable`
    case 'drain':
      return `drain ${step.service} in ${step.slot} (${durationInWords(step.drainMs)} at most)`
    case 'mark':
      return step.outcome
    case 'notify':
      return `notify: ${step.event}`
    case 'keep':
      return `keep the old version warm for ${durationInWords(step.keepMs)} and go on watching`
    case 'retire':
      return `end ${step.service} in ${step.slot}`
  }
}
