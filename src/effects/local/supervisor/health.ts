import { setTimeout as sleep } from 'node:timers/promises'
import type { Probe, Probes } from '../../../domain/revision.ts'
import { directRequest } from '../direct-request.ts'

// Probes with the meaning they have on Kubernetes: startup first, and the others wait until it has passed;
// then readiness takes the replica in and out of rotation, and liveness asks for a restart.
//
// Until a replica is ready for the first time it is probed more often than its period, so that a quick start is
// seen quickly; thresholds are still counted in periods.

export interface HealthOptions {
  readonly port: number
  readonly probes: Probes
  readonly eagerProbeMs: number
  /** What is known already of a process that was adopted. */
  readonly startupPassed: boolean
  readonly ready: boolean
  onStartupPassed(): void
  onReady(ready: boolean, saw: string): void
}

/**
 * Watches a running replica until it has to be restarted.
 *
 * @returns why, in words
 * @throws AbortError when the signal ends the watch
 */
export async function watchHealth(options: HealthOptions, signal: AbortSignal): Promise<string> {
  if (!options.startupPassed) {
    const failure = await waitForStartup(options, signal)
    if (failure) return failure
    options.onStartupPassed()
  }
  return Promise.race([watchReadiness(options, signal), watchLiveness(options, signal)])
}

async function waitForStartup(options: HealthOptions, signal: AbortSignal): Promise<string | null> {
  const probe = options.probes.startup
  const deadline = performance.now() + probe.periodMs * probe.failureThreshold
  let successes = 0
  for (;;) {
    const { passed, saw } = await probeOnce(options.port, probe, signal)
    successes = passed ? successes + 1 : 0
    if (successes >= probe.successThreshold) return null
    if (performance.now() >= deadline) {
      return `its startup probe ${probe.path} did not pass in ${probe.failureThreshold} periods of ${probe.periodMs} ms: ${saw}`
    }
    await sleep(Math.min(probe.periodMs, options.eagerProbeMs), undefined, { signal })
  }
}

async function watchReadiness(options: HealthOptions, signal: AbortSignal): Promise<never> {
  const probe = options.probes.ready
  let { ready } = options
  let eager = !ready
  for (;;) {
    const saw = await probeUntilChange(options, probe, ready, eager, signal)
    ready = !ready
    eager = false
    options.onReady(ready, saw)
  }
}

async function watchLiveness(options: HealthOptions, signal: AbortSignal): Promise<string> {
  const probe = options.probes.live
  const saw = await probeUntilChange(options, probe, true, false, signal)
  return `its liveness probe ${probe.path} failed ${probe.failureThreshold} times: ${saw}`
}

/** Probes until the thresholds say that it is no longer `passing`, or passes again. @returns what was seen last */
async function probeUntilChange(
  { port, eagerProbeMs }: HealthOptions,
  probe: Probe,
  passing: boolean,
  eager: boolean,
  signal: AbortSignal,
): Promise<string> {
  const threshold = passing ? probe.failureThreshold : probe.successThreshold
  let contrary = 0
  for (;;) {
    const { passed, saw } = await probeOnce(port, probe, signal)
    contrary = passed === passing ? 0 : contrary + 1
    if (contrary >= threshold) return saw
    await sleep(eager ? Math.min(probe.periodMs, eagerProbeMs) : probe.periodMs, undefined, { signal })
  }
}

async function probeOnce(port: number, probe: Probe, signal: AbortSignal): Promise<{ passed: boolean; saw: string }> {
  try {
    const { path, timeoutMs } = probe
    const answer = await directRequest({ port, method: 'GET', path, headers: {}, body: null, timeoutMs }, signal)
    return { passed: answer.status >= 200 && answer.status < 400, saw: `status ${answer.status}` }
  } catch (error) {
    signal.throwIfAborted()
    return { passed: false, saw: (error as Error).message }
  }
}
