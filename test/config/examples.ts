import type { Config } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/load.ts'

export const from = { file: '/project/moodify.yaml', root: '/project' }

/** The configuration of a text that has no problem. */
export function configOf(text: string): Config {
  const result = parseConfig(text, from)
  if ('problems' in result) throw new Error(JSON.stringify(result.problems, null, 2))
  return result.config
}

/** `path: message` of each problem of a text that has some. */
export function problemsOf(text: string): string[] {
  const result = parseConfig(text, from)
  if ('config' in result) throw new Error('expected problems, found none')
  return result.problems.map(({ path, message }) => `${path}: ${message}`)
}

export const minimal = `
name: shop
services:
  web: { start: node server.mjs }
environments:
  production: {}
`

export const full = `
name: moodify
artifacts: { from: directory, pattern: "releases/{version}", keep: 3 }
services:
  backend:
    directory: backend
    build: npm ci
    start: node server.mjs
    replicas: 2
    path: /api
    stripPath: true
    env: { FEATURE_FLAG: "true" }
    envFile: secrets/backend.env
    health:
      startup: /started
      ready: /ready
      live: /alive
      periodSeconds: 0.5
      timeoutSeconds: 2
      failureThreshold: 4
      successThreshold: 2
      startupSeconds: 45
    graceSeconds: 5
    drainSeconds: 12.5
    affinity: { cookie: shop, seconds: 3600 }
    memoryLimitMb: 512
    smoke:
      - request: POST /login?next=1
        name: login
        headers: { Content-Type: application/json }
        body: "{}"
        status: 201
        contains: ok
        latencySeconds: 0.75
  frontend: { start: node server.mjs, health: /health }
environments:
  staging: { strategy: rolling, canary: { weights: [5, 100] }, waits: { onUnknown: rollback }, hooks: { before: null } }
  production: { platform: local, listen: 8080, front: { processes: 2, tls: { cert: tls/cert.pem, key: /etc/tls/key.pem } }, strategy: canary, canary: { stageSeconds: 60 }, notify: { webhook: null } }
canary: { profile: staged, early: true }
blueGreen: { monitorSeconds: 30, approval: true, preSwitchPercent: 5 }
rolling: { monitorSeconds: 40, minReadySeconds: 0 }
triggers:
  mode: threshold
  alphaPercent: 0.5
  margin: 2
  warmUpSeconds: 1.5
  sharedFault: rollback
  errorRatePercent: 1.5
  p95Seconds: 0.75
  crashLoop: false
  failingHealthPercent: 20
  minRequests: 10
  minBad: 2
  windowSeconds: 30
waits:
  readySeconds: 60
  proofSeconds: 3
  approvalSeconds: 3600
  unknownSeconds: 90
  onNoTraffic: advance-on-health
keepSeconds: 0.25
notify: { webhook: https://example.com/hook }
hooks:
  before: ./migrate.sh
  afterSwitch: { run: ./warm.sh, timeoutSeconds: 5, onUnknown: retry }
`
