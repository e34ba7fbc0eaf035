// What a key means when moodify.yaml leaves it out, in the units in which people write it. The schema shows
// these values to editors and to the reference, `normalise.ts` fills them in; there is no second list.
//
// Source, where the runbook says something: weights and stage time, "Deployment Strategies" and "Canary
// Deployment"; monitor time, the `-m 300` of its commands; triggers, "Automatic Rollback Triggers"; the wait
// for readiness, `kubectl rollout status --timeout=10m`; replicas, "Horizontal Pod Autoscaler"; health paths,
// "Health Checks". The rest is ours.
import { profiles } from './config.ts'

export const defaults = {
  artifacts: { from: 'git', keep: 5 },
  journal: { keepReleases: 100 },
  service: {
    directory: '.',
    replicas: 3,
    path: '/',
    stripPath: false,
    graceSeconds: 10,
    drainSeconds: 30,
    port: 8000,
    metrics: '/metrics',
  },
  health: {
    startup: '/health/startup',
    ready: '/health/ready',
    live: '/health/live',
    // Kubernetes probes every 10 s; a process on the same machine can be asked more often at no cost.
    periodSeconds: 1,
    timeoutSeconds: 1,
    failureThreshold: 3,
    successThreshold: 1,
    startupSeconds: 60,
  },
  smoke: { status: 200 },
  environment: { platform: 'local', listen: 0, strategy: 'blue-green' },
  front: { processes: 1 },
  kubernetes: { layout: 'blue-green', manifests: 'kubernetes' },
  traffic: { by: 'auto', propagationSeconds: 2 },
  counts: { family: 'application' },
  canary: { profile: 'progressive', weights: profiles.progressive.weights, stageSeconds: 300, early: false },
  blueGreen: { monitorSeconds: 300, approval: false, preSwitchPercent: 0 },
  rolling: { monitorSeconds: 300, minReadySeconds: 10 },
  triggers: {
    mode: 'sequential',
    alphaPercent: 1,
    margin: 1.25,
    warmUpSeconds: 30,
    sharedFault: 'freeze',
    errorRatePercent: 5,
    p95Seconds: 5,
    crashLoop: true,
    failingHealthPercent: 50,
    minRequests: 50,
    minBad: 5,
    windowSeconds: 60,
  },
  waits: {
    readySeconds: 600,
    proofSeconds: 30,
    approvalSeconds: 86_400,
    unknownSeconds: 900,
    onUnknown: 'hold',
    onNoTraffic: 'hold',
  },
  keepSeconds: 600,
  hook: { timeoutSeconds: 600, onUnknown: 'ask' },
} as const
