// What makes a cluster of an API server, small: Deployments get ReplicaSets, these get pods, pods get ready or do not,
// Services get their EndpointSlices. Everything moves in `settle`, at the time of the clock that was handed in.
import { hash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { apiVersionOf, kindOf } from './kinds.ts'
import type { Objects, Stored } from './objects.ts'
import { labelMatcher } from './selectors.ts'

/** How a program behaves, told from its image. */
export interface Behaviour {
  /** Time from its start until its readiness probe passes; null is never. */
  readonly readyAfterMs: number | null
  /** Time from its start until it exits, again and again; null is never. */
  readonly exitsAfterMs?: number | null
  /** There is no such image. */
  readonly isMissing?: boolean
}

export interface Controllers {
  /** Until nothing is left to do now. */
  settle(): void
}

const READY_MS = 500
/** `registry/name:tag`: the tag says how it behaves. */
export const behaviourByTag = (image: string): Behaviour => {
  const tag = image.split(/[:@]/).at(-1)!
  if (tag.includes('missing')) return { readyAfterMs: null, isMissing: true }
  if (tag.includes('crash')) return { readyAfterMs: null, exitsAfterMs: 200 }
  return { readyAfterMs: tag.includes('never-ready') ? null : READY_MS }
}

const [pods, replicaSets, deployments, services, slices, autoscalers] = [
  'Pod',
  'ReplicaSet',
  'Deployment',
  'Service',
  'EndpointSlice',
  'HorizontalPodAutoscaler',
].map(kindOf) as [Kind, Kind, Kind, Kind, Kind, Kind]
type Kind = ReturnType<typeof kindOf>

const REVISION = 'deployment.kubernetes.io/revision'

/** More than that is a circle. */
const MOST_ROUNDS = 1000

export function controllers({
  objects,
  nowMs,
  behaviourOf = behaviourByTag,
}: {
  readonly objects: Objects
  readonly nowMs: () => number
  readonly behaviourOf?: (image: string) => Behaviour
}): Controllers {
  /** When a pod's program started last, and when it was told to end. */
  const started = new Map<string, number>()
  const told = new Map<string, number>()
  let addresses = 10

  function update(kind: Kind, object: Stored, change: Partial<Stored>): void {
    const next = { ...object, ...change }
    if (!isDeepStrictEqual(next, object)) objects.update(kind, next as Stored)
  }

  // --- Deployments ----------------------------------------------------------------------------------------

  function roll(deployment: Stored): void {
    const { replicas, template, strategy } = deployment['spec']
    const owned = ownedBy(replicaSets, deployment)
    const templateHash = hashOf(template)
    const current = owned.find(({ metadata }) => metadata.labels?.['pod-template-hash'] === templateHash)
    if (!current) {
      makeReplicaSet(deployment, templateHash, 1 + Math.max(0, ...owned.map(revisionOf)))
      return
    }
    const old = owned.filter((set) => set !== current)
    const { maxSurge, maxUnavailable } = strategy.rollingUpdate ?? { maxSurge: 0, maxUnavailable: replicas }
    const [surge, unavailable] = [share(maxSurge, replicas, Math.ceil), share(maxUnavailable, replicas, Math.floor)]
    const oldCount = sum(old.map(({ spec }) => spec.replicas))
    const room = replicas + (surge + unavailable === 0 ? 1 : surge) - oldCount
    const grown = Math.max(Math.min(replicas, room), Math.min(replicas, current['spec'].replicas))
    if (grown !== current['spec'].replicas) scale(current, grown)
    const available = sum(owned.map((set) => availableOf(set, deployment)))
    let spare = available - (replicas - unavailable)
    for (const set of old.filter(({ spec }) => spec.replicas > 0)) {
      // Those that are not ready go first: nobody misses them.
      const broken = set['spec'].replicas - availableOf(set, deployment)
      const gone = Math.min(set['spec'].replicas, broken + Math.max(0, spare))
      spare -= Math.max(0, gone - broken)
      if (gone > 0) scale(set, set['spec'].replicas - gone)
    }
    update(deployments, objects.get(deployments, deployment.metadata.namespace, deployment.metadata.name), {
      status: deploymentStatus(deployment, current, owned),
    })
    forget(deployment, old)
  }

  /** Old ReplicaSets without pods, but for the newest ones. */
  function forget(deployment: Stored, old: readonly Stored[]): void {
    const empty = old.filter((set) => set['spec'].replicas === 0 && ownedBy(pods, set).length === 0)
    const newestFirst = empty.toSorted((a, b) => revisionOf(b) - revisionOf(a))
    for (const { metadata } of newestFirst.slice(deployment['spec'].revisionHistoryLimit)) {
      objects.remove(replicaSets, metadata.namespace, metadata.name)
    }
  }

  function makeReplicaSet(deployment: Stored, templateHash: string, revision: number): void {
    const { name, namespace } = deployment.metadata
    const { selector, template } = deployment['spec']
    const labels = { ...template.metadata.labels, 'pod-template-hash': templateHash }
    objects.create(replicaSets, {
      metadata: {
        name: `${name}-${templateHash}`,
        namespace,
        labels,
        annotations: { ...deployment.metadata.annotations, [REVISION]: String(revision) },
        ownerReferences: [ownerReference(deployment)],
      },
      spec: {
        replicas: 0,
        selector: { matchLabels: { ...selector.matchLabels, 'pod-template-hash': templateHash } },
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
    } as never)
  }

  function scale(set: Stored, replicas: number): void {
    const current = objects.get(replicaSets, set.metadata.namespace, set.metadata.name)
    update(replicaSets, current, { spec: { ...current['spec'], replicas } })
  }

  function availableOf(set: Stored, { spec }: Stored): number {
    const lateMs = 1000 * (spec.minReadySeconds ?? 0)
    return ownedBy(pods, set).filter((pod) => {
      const since = readySinceMs(pod)
      return since !== null && nowMs() - since >= lateMs
    }).length
  }

  function deploymentStatus(deployment: Stored, current: Stored, owned: readonly Stored[]) {
    const all = owned.flatMap((set) => ownedBy(pods, set)).filter(isStaying)
    const updated = ownedBy(pods, current).filter(isStaying)
    const available = sum(owned.map((set) => availableOf(set, deployment)))
    const isDone = available >= deployment['spec'].replicas
    return {
      observedGeneration: deployment.metadata.generation,
      replicas: all.length,
      updatedReplicas: updated.length,
      readyReplicas: all.filter((pod) => readySinceMs(pod) !== null).length,
      availableReplicas: available,
      unavailableReplicas: Math.max(0, deployment['spec'].replicas - available),
      conditions: [{ type: 'Available', status: isDone ? 'True' : 'False' }],
    }
  }

  // --- pods -----------------------------------------------------------------------------------------------

  function fill(set: Stored): void {
    const mine = ownedBy(pods, set).filter(isStaying)
    const missing = set['spec'].replicas - mine.length
    for (let index = 0; index < missing; index++) makePod(set)
    // Those that are not ready first, then the youngest.
    const order = mine.toSorted((a, b) => (readySinceMs(a) ?? Infinity) - (readySinceMs(b) ?? Infinity))
    for (const pod of order.slice(set['spec'].replicas)) end(pod)
  }

  function makePod(set: Stored): void {
    const { template } = set['spec']
    addresses++
    const made = objects.create(pods, {
      metadata: {
        name: `${set.metadata.name}-${addresses.toString(36).padStart(5, '0')}`,
        namespace: set.metadata.namespace,
        labels: template.metadata.labels,
        annotations: template.metadata.annotations ?? {},
        ownerReferences: [ownerReference(set)],
      },
      spec: { ...template.spec, nodeName: 'node' },
      status: { phase: 'Pending', podIP: `10.0.${addresses >> 8}.${addresses & 255}`, conditions: [] },
    } as never)
    started.set(made.metadata.uid, nowMs())
  }

  function end(pod: Stored): void {
    const seconds = pod['spec'].terminationGracePeriodSeconds ?? 30
    const deletionTimestamp = new Date(nowMs()).toISOString()
    update(pods, pod, { metadata: { ...pod.metadata, deletionTimestamp, deletionGracePeriodSeconds: seconds } })
  }

  /** The kubelet: what its containers do now. */
  function run(pod: Stored): void {
    const { uid, name, namespace, deletionTimestamp } = pod.metadata
    if (deletionTimestamp) {
      const since = told.get(uid) ?? nowMs()
      told.set(uid, since)
      const longestMs = 1000 * (pod.metadata.deletionGracePeriodSeconds ?? 30)
      if (nowMs() - since >= Math.min(longestMs, 2000)) objects.remove(pods, namespace, name)
      return
    }
    const [main] = pod['spec'].containers
    const { readyAfterMs, exitsAfterMs = null, isMissing } = behaviourOf(main.image)
    const livesMs = nowMs() - (started.get(uid) ?? nowMs())
    const hasExited = exitsAfterMs !== null && livesMs >= exitsAfterMs
    const ready = readyAfterMs !== null && livesMs >= readyAfterMs && !hasExited && !isMissing
    const before = pod['status'].containerStatuses?.[0]
    const restartCount = hasExited ? Math.max(1, Math.floor(livesMs / (exitsAfterMs * 5))) : (before?.restartCount ?? 0)
    const state = isMissing
      ? { waiting: { reason: 'ImagePullBackOff', message: `Back-off pulling image "${main.image}": not found` } }
      : hasExited
        ? { waiting: { reason: 'CrashLoopBackOff', message: 'back-off restarting failed container' } }
        : { running: {} }
    const lastState = hasExited ? { terminated: { reason: 'Error', exitCode: 1 } } : {}
    const status = { name: main.name, ready, started: ready, restartCount, state, lastState }
    const since = ready ? (readySinceMs(pod) ?? nowMs()) : null
    const conditions = [
      { type: 'PodScheduled', status: 'True' },
      { type: 'Ready', status: ready ? 'True' : 'False', ...(since !== null && { sinceMs: since }) },
    ]
    update(pods, pod, {
      status: { ...pod['status'], phase: isMissing ? 'Pending' : 'Running', conditions, containerStatuses: [status] },
    })
  }

  // --- Services and autoscalers ---------------------------------------------------------------------------

  function endpoints(service: Stored): void {
    const { name, namespace } = service.metadata
    const matches = labelMatcher(pairs(service['spec'].selector ?? {}))
    const chosen = service['spec'].selector ? objects.list(pods, namespace).filter(matches) : []
    const slice = {
      metadata: {
        name: `${name}-slice`,
        namespace,
        labels: { 'kubernetes.io/service-name': name },
        ownerReferences: [ownerReference(service)],
      },
      addressType: 'IPv4',
      ports: service['spec'].ports ?? [],
      endpoints: chosen.map((pod) => ({
        addresses: [pod['status'].podIP],
        conditions: {
          ready: readySinceMs(pod) !== null && isStaying(pod),
          serving: readySinceMs(pod) !== null,
          terminating: !isStaying(pod),
        },
        targetRef: { kind: 'Pod', name: pod.metadata.name, namespace, uid: pod.metadata.uid },
      })),
    }
    const known = objects.find(slices, namespace, slice.metadata.name)
    if (!known) objects.create(slices, slice as never)
    else update(slices, known, { endpoints: slice.endpoints, ports: slice.ports })
  }

  function autoscale(autoscaler: Stored): void {
    const { minReplicas = 1, maxReplicas, scaleTargetRef } = autoscaler['spec']
    const target = objects.find(deployments, autoscaler.metadata.namespace, scaleTargetRef.name)
    // One that was scaled to nothing is left alone, as the real one leaves it.
    if (!target || target['spec'].replicas === 0) return
    const replicas = Math.min(maxReplicas, Math.max(minReplicas, target['spec'].replicas))
    update(deployments, target, { spec: { ...target['spec'], replicas } })
  }

  // --- all of it ------------------------------------------------------------------------------------------

  function ownedBy(kind: Kind, { metadata }: Stored): readonly Stored[] {
    return objects
      .list(kind, metadata.namespace)
      .filter((object) => object.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid))
  }

  /** Whose owner is gone goes too. */
  function collect(): void {
    const alive = new Set(
      [deployments, replicaSets, services].flatMap((kind) => objects.list(kind)).map(({ metadata }) => metadata.uid),
    )
    const isOrphan = ({ metadata }: Stored) => metadata.ownerReferences?.every(({ uid }) => !alive.has(uid)) ?? false
    for (const kind of [replicaSets, slices]) {
      for (const object of objects.list(kind).filter(isOrphan))
        objects.remove(kind, object.metadata.namespace, object.metadata.name)
    }
    for (const pod of objects.list(pods).filter((one) => isOrphan(one) && isStaying(one))) end(pod)
  }

  function round(): void {
    collect()
    for (const autoscaler of objects.list(autoscalers)) autoscale(autoscaler)
    for (const deployment of objects.list(deployments)) roll(deployment)
    for (const set of objects.list(replicaSets)) fill(set)
    for (const pod of objects.list(pods)) run(pod)
    for (const service of objects.list(services)) endpoints(service)
  }

  return {
    settle() {
      for (let rounds = 0; rounds < MOST_ROUNDS; rounds++) {
        const before = objects.version()
        round()
        if (objects.version() === before) return
      }
      throw new Error('the controllers go round in circles')
    },
  }
}

const revisionOf = ({ metadata }: Stored) => Number(metadata.annotations?.[REVISION] ?? 0)

const isStaying = ({ metadata }: Stored) => metadata.deletionTimestamp === undefined

function readySinceMs(pod: Stored): number | null {
  const conditions: { type: string; sinceMs?: number }[] = pod['status']?.conditions ?? []
  return conditions.find(({ type }) => type === 'Ready')?.sinceMs ?? null
}

function ownerReference(owner: Stored) {
  const { name, uid } = owner.metadata
  return { apiVersion: apiVersionOf(kindOf(owner.kind)), kind: owner.kind, name, uid, controller: true }
}

const hashes = new WeakMap<object, string>()
function hashOf(template: object): string {
  const known = hashes.get(template) ?? hash('sha256', JSON.stringify(template)).slice(0, 10)
  hashes.set(template, known)
  return known
}

function share(value: number | string, of: number, round: (number: number) => number): number {
  return typeof value === 'number' ? value : round((of * Number.parseFloat(value)) / 100)
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)

const pairs = (labels: Record<string, string>) =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
