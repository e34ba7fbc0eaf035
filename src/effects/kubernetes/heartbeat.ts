// A Lease by which a runner shows that it lives. It decides nothing: who may write is decided by the journal's head and
// by the epoch on every object. It only spares two runners from taking over from each other.
//
// Clocks of other machines are not trusted: a runner is gone when its Lease was seen unchanged for its length by our own
// clock. Whoever looks once, for display, takes the API server's word for how long ago it was written.

import type { Clock } from '../ports/clock.ts'
import { type Api, ApiError, ApiUnreachable, type KubernetesObject, type Resource } from './api.ts'

const BEAT_MS = 3000
const LENGTH_MS = 10_000

export interface Heartbeat {
  /** Shows that this process lives until the signal; then that nobody does. What the API server refuses is left. */
  beat(holder: string, signal: AbortSignal): Promise<void>
  /** False once the Lease has been let go, or was seen unchanged for its length by whoever asks again and again. */
  livesElsewhere(): Promise<boolean>
  /** Who showed himself last, and how long ago as the API server counts; null when nobody does. */
  last(): Promise<{ readonly holder: string; readonly agoMs: number; readonly isStale: boolean } | null>
}

export function heartbeat(options: {
  readonly api: Api
  readonly clock: Clock
  readonly namespace: string
  readonly environment: string
}): Heartbeat {
  const { api, clock, namespace, environment } = options
  const name = `moodify-runner-${environment}`
  const resource: Resource = { apiVersion: 'coordination.k8s.io/v1', plural: 'leases', namespace }
  let seen: { readonly version: string; readonly sinceMs: number } | null = null

  async function show(holder: string): Promise<void> {
    const spec = {
      holderIdentity: holder,
      leaseDurationSeconds: LENGTH_MS / 1000,
      renewTime: clock.wall().replace(/\.(\d{3})Z$/, '.$1000Z'),
    }
    const labels = { 'app.kubernetes.io/managed-by': 'moodify', 'moodify.dev/journal': environment }
    const lease = { apiVersion: resource.apiVersion, kind: 'Lease', metadata: { name, namespace, labels }, spec }
    await api.apply(resource, lease, { fieldManager: 'moodify', force: true }).catch(unlessRefused)
  }

  return {
    async beat(holder, signal) {
      while (!signal.aborted) {
        await show(holder)
        await clock.sleep(BEAT_MS, signal)
      }
      await show('')
    },
    async livesElsewhere() {
      const lease = await api.get(resource, name)
      if (!lease || holderOf(lease) === '') return false
      const version = lease.metadata.resourceVersion!
      if (seen?.version !== version) seen = { version, sinceMs: clock.monotonicMs() }
      return clock.monotonicMs() - seen.sinceMs < LENGTH_MS
    },
    async last() {
      const path = `/apis/${resource.apiVersion}/namespaces/${namespace}/leases/${name}`
      const { status, headers, body } = await api.request(path)
      if (status !== 200) return null
      const lease = JSON.parse(body) as KubernetesObject
      const written = (lease.metadata.managedFields ?? [])
        .map(({ time }) => Date.parse(time ?? ''))
        .filter(Number.isFinite)
      const agoMs = Math.max(0, Date.parse(headers['date'] ?? '') - Math.max(...written))
      if (holderOf(lease) === '') return null
      return { holder: holderOf(lease), agoMs, isStale: agoMs > LENGTH_MS }
    },
  }
}

function holderOf(lease: KubernetesObject): string {
  return (lease['spec'] as { holderIdentity?: string } | undefined)?.holderIdentity ?? ''
}

function unlessRefused(error: unknown): void {
  if (!(error instanceof ApiError || error instanceof ApiUnreachable)) throw error
}
