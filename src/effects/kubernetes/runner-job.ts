// The runner of an environment as a Job: what `deploy --in-cluster` starts. It gets the project's files by a ConfigMap
// and may do what the shipped Role says. Whoever started it may leave; the journal is the way to it.
import { randomBytes } from 'node:crypto'
import { OperatingError } from '../../errors/catalogue.ts'
import type { Clock } from '../ports/clock.ts'
import type { Api, KubernetesObject, Resource } from './api.ts'
import { podStatus } from './facts.ts'
import type { Heartbeat } from './heartbeat.ts'
import { asOperating } from './traffic/guarded.ts'

export interface RunnerJobOptions {
  readonly api: Api
  readonly clock: Clock
  readonly namespace: string
  readonly environment: string
  readonly image: string
  /** What the runner reads, by its path in the project's folder. */
  readonly files: () => Readonly<Record<string, string>>
  readonly heartbeat: Heartbeat
}

export interface RunnerJob {
  ensure(options: { readonly replace: boolean }): Promise<void>
  start(): Promise<void>
}

export const RUNNER = 'moodify-runner'
const ENVIRONMENT = 'moodify.dev/runner'
const PROJECT = '/project'
const STATE = '/state'

const START_MS = 180_000
const LOOK_MS = 500
/** It may need as long to read the journal and take a command; only then another one takes over. */
const PATIENCE_MS = 60_000
/** What a ConfigMap can hold, with some to spare for its names. */
const MOST_BYTES = 1_000_000

export function runnerJob(options: RunnerJobOptions): RunnerJob {
  const { api, clock, namespace, environment, heartbeat } = options
  const jobs: Resource = { apiVersion: 'batch/v1', plural: 'jobs', namespace }
  const core = (plural: string): Resource => ({ apiVersion: 'v1', plural, namespace })
  let started: { readonly name: string; readonly atMs: number } | null = null

  async function create(): Promise<string> {
    const account = await api.get(core('serviceaccounts'), RUNNER)
    if (!account) {
      throw new OperatingError(
        'PLATFORM_FAILED',
        `There is no service account ${RUNNER} in ${namespace}; nothing was started.`,
        `NAMESPACE=${namespace} envsubst < kubernetes/common/rbac.yaml | kubectl apply -f -`,
      )
    }
    const name = `${RUNNER}-${environment}-${randomBytes(3).toString('hex')}`
    const files = options.files()
    await api.create(core('configmaps'), filesObject(name, options, Object.values(files)))
    const job = await api.create(jobs, jobObject(name, options, Object.keys(files)))
    const owner = { apiVersion: 'batch/v1', kind: 'Job', name, uid: job.metadata.uid }
    await api.merge(core('configmaps'), name, { metadata: { ownerReferences: [owner] } })
    started = { name, atMs: clock.monotonicMs() }
    return name
  }

  async function active(): Promise<string | null> {
    const { items } = await api.list(jobs, { labelSelector: `${ENVIRONMENT}=${environment}` })
    return items.find((job) => !hasEnded(job))?.metadata.name ?? null
  }

  /** Until a runner shows that it lives, whoever started it. */
  async function begin(): Promise<void> {
    const startedMs = clock.monotonicMs()
    let name: string | null = null
    for (;;) {
      const alive = await heartbeat.last()
      if (alive && !alive.isStale) return
      name ??= (await active()) ?? (await create())
      const trouble = await troubleOf(api, namespace, name)
      const isLate = clock.monotonicMs() - startedMs > START_MS
      if (isLate || trouble?.isFinal) {
        await end(name)
        const why = trouble?.reason ?? `nothing was seen of it in ${START_MS / 1000} s`
        const message = `The runner of ${environment} does not start: ${why}. Nothing was released.`
        throw new OperatingError('PLATFORM_FAILED', message, `kubectl describe job ${name} -n ${namespace}`)
      }
      await clock.sleep(LOOK_MS)
    }
  }

  /** Its pods go too, and it stays to be looked at until its time is over. */
  async function end(name: string): Promise<void> {
    await api.merge(jobs, name, { spec: { activeDeadlineSeconds: 1 } }).catch(() => {})
  }

  const saying = async (work: Promise<void>): Promise<void> => {
    await work.catch((error: unknown) => {
      throw asOperating(error, `start the runner of ${environment} in ${namespace}`)
    })
  }

  return {
    start: () => saying(begin()),
    async ensure({ replace }) {
      const isYoung = started !== null && clock.monotonicMs() - started.atMs < PATIENCE_MS
      if (isYoung || (!replace && ((await heartbeat.livesElsewhere()) || (await active())))) return
      await saying(create().then(() => {}))
    },
  }
}

function labelsOf(environment: string) {
  return {
    'app.kubernetes.io/name': RUNNER,
    'app.kubernetes.io/managed-by': 'moodify',
    [ENVIRONMENT]: environment,
  }
}

type Place = Pick<RunnerJobOptions, 'namespace' | 'environment' | 'image'>

/** Paths cannot be keys of a ConfigMap: they are `file-N` there, and what each is called stands in the volume. */
const keyOf = (index: number) => `file-${index}`

function filesObject(name: string, { namespace, environment }: Place, texts: readonly string[]): KubernetesObject {
  const data = Object.fromEntries(texts.map((text, index) => [keyOf(index), text]))
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  if (bytes > MOST_BYTES) {
    throw new OperatingError(
      'BAD_FLAG',
      `moodify.yaml and the manifests are ${bytes} bytes; a runner in the cluster can be given ${MOST_BYTES}`,
      'type the command again without --in-cluster',
    )
  }
  const metadata = { name, namespace, labels: labelsOf(environment) }
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data }
}

export function jobObject(
  name: string,
  { namespace, environment, image }: Place,
  paths: readonly string[],
): KubernetesObject {
  const labels = labelsOf(environment)
  const items = paths.map((path, index) => ({ key: keyOf(index), path }))
  const container = {
    name: 'runner',
    image,
    imagePullPolicy: 'IfNotPresent',
    args: ['internal', 'runner', '--in-cluster', '--root', PROJECT, '--environment', environment],
    env: [
      { name: 'XDG_STATE_HOME', value: STATE },
      { name: 'XDG_RUNTIME_DIR', value: STATE },
    ],
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '1', memory: '512Mi' } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'project', mountPath: PROJECT, readOnly: true },
      { name: 'state', mountPath: STATE },
    ],
  }
  const pod = {
    serviceAccountName: RUNNER,
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 60,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 1000,
      runAsGroup: 1000,
      fsGroup: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [container],
    volumes: [
      { name: 'project', configMap: { name, items } },
      { name: 'state', emptyDir: {} },
    ],
  }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace, labels },
    spec: {
      // A runner that dies goes on from the journal in another pod; one whose node is drained costs no attempt.
      backoffLimit: 6,
      podFailurePolicy: { rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] }] },
      ttlSecondsAfterFinished: 3600,
      template: { metadata: { labels }, spec: pod },
    },
  }
}

/** Or was told to by `end`. */
function hasEnded(job: KubernetesObject): boolean {
  const { activeDeadlineSeconds } = job['spec'] as { activeDeadlineSeconds?: number }
  if (activeDeadlineSeconds !== undefined) return true
  const { conditions = [] } = (job['status'] ?? {}) as { conditions?: readonly { type: string; status: string }[] }
  return conditions.some(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True')
}

/** Waiting reasons that say what a person has to mend. */
const STUCK = /^(ErrImage|ImagePull|InvalidImage|CreateContainer|ErrImageNeverPull|RunContainerError)/

/** What keeps a Job's pod from running, in the cluster's words. */
async function troubleOf(
  api: Api,
  namespace: string,
  name: string,
): Promise<{ readonly reason: string; readonly isFinal: boolean } | null> {
  const { items: pods } = await api.list(
    { apiVersion: 'v1', plural: 'pods', namespace },
    { labelSelector: `batch.kubernetes.io/job-name=${name}` },
  )
  if (pods.some((pod) => podStatus(pod).phase === 'Running')) return null
  for (const pod of pods) {
    const [container] = podStatus(pod).containerStatuses ?? []
    const { waiting, terminated } = container?.state ?? {}
    if (waiting?.reason && STUCK.test(waiting.reason)) {
      // The first failed pull is tried again at once; a back-off has seen two.
      return {
        reason: `${waiting.reason}: ${waiting.message ?? ''}`,
        isFinal: !waiting.reason.startsWith('ErrImagePull'),
      }
    }
    if (terminated && terminated.exitCode !== 0) {
      const { body } = await api.request(`/api/v1/namespaces/${namespace}/pods/${pod.metadata.name}/log?tailLines=3`)
      return { reason: `it ended with exit code ${terminated.exitCode}: ${body.trim()}`, isFinal: true }
    }
  }
  const { items: events } = await api.list(
    { apiVersion: 'v1', plural: 'events', namespace },
    { fieldSelector: `type=Warning,involvedObject.kind=Job,involvedObject.name=${name}` },
  )
  const unschedulable = pods
    .flatMap((pod) => podStatus(pod).conditions ?? [])
    .find(({ type, status }) => type === 'PodScheduled' && status === 'False')?.message
  const reason = (events.at(-1)?.['message'] as string | undefined) ?? unschedulable
  return reason ? { reason, isFinal: /forbidden|denied/.test(reason) } : null
}
