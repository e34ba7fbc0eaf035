// Deployments, ReplicaSets, pods and events as facts about slots. Pure; of what the cluster says only the fields that
// are needed are read.
import { emptySlot, type ReplicaFacts, type SlotFacts, type Trouble } from '../../domain/snapshot.ts'
import type { KubernetesObject } from './api.ts'
import { deploymentSpec, mainContainer, type PodSpec, revisionOf } from './marks.ts'

export interface SlotObjects {
  readonly service: string
  readonly deployment: KubernetesObject | null
  readonly replicaSets: readonly KubernetesObject[]
  readonly pods: readonly KubernetesObject[]
  /** Newest warning about a pod, by its name. */
  readonly warnings: Readonly<Record<string, string>>
  /** Last lines of a pod's container before it ended, by its name. */
  readonly lastLines: Readonly<Record<string, string>>
  /** How long we know a pod, in milliseconds, by its name; and whether it was ever seen ready. */
  readonly known: Readonly<Record<string, { readonly forMs: number; readonly wasReady: boolean }>>
}

export function slotFacts(objects: SlotObjects): SlotFacts {
  const { deployment } = objects
  if (!deployment) return emptySlot
  const { replicas = 1, template } = deploymentSpec(deployment)
  const image = mainContainer(template.spec, objects.service)?.image ?? ''
  const trouble = replicas > 0 ? refusal(deployment, objects.replicaSets) : null
  return {
    desiredRevision: replicas === 0 ? null : revisionOf(template.metadata?.annotations, image),
    desiredReplicas: replicas,
    replicas: podsOf(objects).map((pod) => replicaFacts(pod, objects)),
    ...(trouble ? { trouble } : {}),
  }
}

/** Pods that the Deployment's ReplicaSets own, those that end too. */
export function podsOf({ deployment, replicaSets, pods }: Pick<SlotObjects, 'deployment' | 'replicaSets' | 'pods'>) {
  if (!deployment) return []
  const sets = new Set(replicaSets.filter((set) => isOwnedBy(set, deployment.metadata.uid)).map(uidOf))
  return pods.filter((pod) => [...sets].some((uid) => isOwnedBy(pod, uid)))
}

function uidOf({ metadata }: KubernetesObject): string | undefined {
  return metadata.uid
}

function isOwnedBy({ metadata }: KubernetesObject, uid: string | undefined): boolean {
  return uid !== undefined && (metadata.ownerReferences ?? []).some((owner) => owner.uid === uid)
}

interface Condition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
}

interface ContainerStatus {
  readonly name: string
  readonly ready?: boolean
  readonly restartCount?: number
  readonly started?: boolean
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string }
    readonly running?: object
    readonly terminated?: Termination
  }
  readonly lastState?: { readonly terminated?: Termination }
}

interface Termination {
  readonly reason?: string
  readonly exitCode?: number
  readonly signal?: number
  readonly message?: string
}

interface PodStatus {
  readonly phase?: string
  readonly reason?: string
  readonly message?: string
  readonly conditions?: readonly Condition[]
  readonly containerStatuses?: readonly ContainerStatus[]
  readonly initContainerStatuses?: readonly ContainerStatus[]
}

export function podStatus(pod: KubernetesObject): PodStatus {
  return (pod['status'] ?? {}) as PodStatus
}

export function isPodReady(pod: KubernetesObject): boolean {
  return podStatus(pod).conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
}

function replicaFacts(pod: KubernetesObject, objects: SlotObjects): ReplicaFacts {
  const { name, annotations, deletionTimestamp } = pod.metadata
  const spec = pod['spec'] as PodSpec
  const main = mainContainer(spec, objects.service)
  const status = podStatus(pod)
  const container = status.containerStatuses?.find((one) => one.name === main?.name)
  const restarts = container?.restartCount ?? 0
  const isLooping = container?.state?.waiting?.reason === 'CrashLoopBackOff' || (restarts >= 2 && !container?.ready)
  const ready = isPodReady(pod)
  const known = objects.known[name] ?? { forMs: 0, wasReady: false }
  const ending = deletionTimestamp !== undefined
  const trouble = ending || ready ? null : troubleOf(status, container, objects, name)
  return {
    id: name,
    revision: revisionOf(annotations, main?.image ?? ''),
    running: status.phase === 'Running' && container?.state?.running !== undefined,
    ready,
    restarts,
    crashLooping: isLooping,
    failingHealth: !ready && !ending && isFailingHealth(known, restarts, main),
    ending,
    startedAgoMs: known.forMs,
    ...(trouble ? { trouble } : {}),
  }
}

/** It was ready before, was restarted by its probes, or has had more time than its startup probe gives. */
function isFailingHealth(
  known: { forMs: number; wasReady: boolean },
  restarts: number,
  main: PodSpec['containers'][number] | undefined,
): boolean {
  const { failureThreshold = 3, periodSeconds = 10 } = main?.startupProbe ?? {}
  return known.wasReady || restarts > 0 || known.forMs > 1000 * (failureThreshold * periodSeconds + 30)
}

/** Waiting reasons that stay as they are until somebody changes the pod or the registry. */
const FINAL = new Set(['InvalidImageName', 'ErrImageNeverPull', 'ImagePullBackOff', 'CreateContainerConfigError'])

function troubleOf(
  status: PodStatus,
  container: ContainerStatus | undefined,
  objects: SlotObjects,
  name: string,
): Trouble | null {
  const unschedulable = status.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False')
  if (unschedulable) return waiting(`it cannot be scheduled: ${unschedulable.message ?? unschedulable.reason}`)
  if (status.phase === 'Failed') return waiting(`${status.reason ?? 'it failed'}: ${status.message ?? ''}`)
  const stuck = [...(status.initContainerStatuses ?? []), ...(container ? [container] : [])].find(isStuck)
  const image = stuck?.state?.waiting
  if (image) {
    const isAbsent = image.reason === 'ErrImagePull' && /not found|does not exist|denied/i.test(image.message ?? '')
    return { reason: `${image.reason}: ${image.message ?? ''}`, isFinal: FINAL.has(image.reason!) || isAbsent }
  }
  const ended = container?.state?.terminated ?? container?.lastState?.terminated
  if (ended) {
    const lines = objects.lastLines[name]
    return waiting(`${endInWords(ended)}${lines ? `; its last lines: ${lines}` : ''}`)
  }
  const warning = objects.warnings[name]
  return warning ? waiting(warning) : null
}

function isStuck({ state }: ContainerStatus): boolean {
  const reason = state?.waiting?.reason
  return reason !== undefined && !['ContainerCreating', 'PodInitializing', 'CrashLoopBackOff'].includes(reason)
}

function endInWords({ reason, exitCode, signal, message }: Termination): string {
  const how = reason === 'OOMKilled' ? 'it was killed for using more memory than its limit (OOMKilled)' : 'it ended'
  const code = signal ? `signal ${signal}` : `exit code ${exitCode}`
  return `${how} with ${code}${message ? `: ${message.trim()}` : ''}`
}

function waiting(reason: string): Trouble {
  return { reason: reason.trim(), isFinal: false }
}

/** Pods that are not made at all: a quota, an admission webhook, Pod Security. */
function refusal(deployment: KubernetesObject, replicaSets: readonly KubernetesObject[]): Trouble | null {
  const owned = replicaSets.filter((set) => isOwnedBy(set, deployment.metadata.uid))
  const conditions = [deployment, ...owned].flatMap(
    (object) => ((object['status'] ?? {}) as { conditions?: readonly Condition[] }).conditions ?? [],
  )
  const failure = conditions.find(({ type, status }) => type === 'ReplicaFailure' && status === 'True')
  if (!failure) return null
  const reason = `${failure.reason}: ${failure.message ?? ''}`
  return { reason, isFinal: /forbidden|denied|exceeded quota/i.test(reason) }
}
