import { describe, expect, test } from 'vitest'
import { configOf, full, minimal, problemsOf } from './examples.ts'

describe('defaults', () => {
  const { artifacts, services, environments, defaultEnvironment } = configOf(minimal)
  const { settings, ...environment } = environments['production']!

  test('config: without settings a canary goes 10, 25, 50, 100 with 300 s a stage, as the runbook says', () => {
    expect(settings.canary).toEqual({
      profile: 'progressive',
      weights: [10, 25, 50, 100],
      stageMs: 300_000,
      early: false,
    })
  })

  test('config: without settings the triggers are those of the runbook', () => {
    expect(settings.triggers).toMatchObject({
      errorRatePercent: 5,
      p95Ms: 5000,
      crashLoop: true,
      failingHealthPercent: 50,
    })
  })

  test('config: without settings everything else has the documented default', () => {
    expect(settings).toMatchObject({
      blueGreen: { monitorMs: 300_000, approval: false, preSwitchPercent: 0 },
      rolling: { monitorMs: 300_000, minReadyMs: 10_000 },
      triggers: {
        mode: 'sequential',
        alphaPercent: 1,
        margin: 1.25,
        warmUpMs: 30_000,
        sharedFault: 'freeze',
        minRequests: 50,
        minBad: 5,
        windowMs: 60_000,
      },
      waits: {
        readyMs: 600_000,
        proofMs: 30_000,
        approvalMs: 86_400_000,
        unknownMs: 900_000,
        onUnknown: 'hold',
        onNoTraffic: 'hold',
      },
      keepMs: 600_000,
      notify: null,
      hooks: {},
    })
    expect(environment).toEqual({
      name: 'production',
      platform: 'local',
      listen: 0,
      front: { processes: 1, tls: null },
      kubernetes: null,
      strategy: 'blue-green',
    })
    expect(artifacts).toEqual({ from: 'git', keep: 5 })
    expect(defaultEnvironment).toBe('production')
  })

  test('config: a service that only says how it starts has three replicas and the health paths of the runbook', () => {
    const probe = { periodMs: 1000, timeoutMs: 1000, successThreshold: 1 }
    expect(services).toEqual([
      {
        name: 'web',
        directory: '.',
        build: null,
        start: 'node server.mjs',
        container: { image: 'web', port: 8000, metricsPath: '/metrics' },
        replicas: 3,
        path: '/',
        stripPath: false,
        env: {},
        envFile: null,
        probes: {
          startup: { ...probe, path: '/health/startup', failureThreshold: 60 },
          ready: { ...probe, path: '/health/ready', failureThreshold: 3 },
          live: { ...probe, path: '/health/live', failureThreshold: 3 },
        },
        graceMs: 10_000,
        drainMs: 30_000,
        affinity: null,
        memoryLimitMb: null,
        smoke: [],
      },
    ])
  })
})

describe('a file that sets everything', () => {
  const config = configOf(full)
  const { staging, production } = config.environments

  test('config: the front has as many processes as it says, and files of its certificate by absolute paths', () => {
    expect(production!.front).toEqual({ processes: 2, tls: { cert: '/project/tls/cert.pem', key: '/etc/tls/key.pem' } })
  })

  test('config: a service is read with times in milliseconds and its env file as an absolute path', () => {
    const probe = { periodMs: 500, timeoutMs: 2000 }
    expect(config.services[0]).toEqual({
      name: 'backend',
      directory: 'backend',
      build: 'npm ci',
      start: 'node server.mjs',
      container: { image: 'backend', port: 8000, metricsPath: '/metrics' },
      replicas: 2,
      path: '/api',
      stripPath: true,
      env: { FEATURE_FLAG: 'true' },
      envFile: '/project/secrets/backend.env',
      probes: {
        startup: { ...probe, path: '/started', failureThreshold: 90, successThreshold: 1 },
        ready: { ...probe, path: '/ready', failureThreshold: 4, successThreshold: 2 },
        live: { ...probe, path: '/alive', failureThreshold: 4, successThreshold: 1 },
      },
      graceMs: 5000,
      drainMs: 12_500,
      affinity: { cookie: 'shop', maxAgeSeconds: 3600 },
      memoryLimitMb: 512,
      smoke: [
        {
          name: 'login',
          method: 'POST',
          path: '/login?next=1',
          headers: { 'Content-Type': 'application/json' },
          body: '{}',
          expect: { status: 201, body: 'ok', latencyMs: 750 },
        },
      ],
    })
  })

  test('config: one health path stands for all three probes', () => {
    const { startup, ready, live } = config.services[1]!.probes
    expect([startup.path, ready.path, live.path]).toEqual(['/health', '/health', '/health'])
  })

  test('config: an environment sees the settings of the top level where it has none of its own', () => {
    expect(production!.settings).toEqual({
      canary: { profile: 'staged', weights: [10, 50, 100], stageMs: 60_000, early: true },
      blueGreen: { monitorMs: 30_000, approval: true, preSwitchPercent: 5 },
      rolling: { monitorMs: 40_000, minReadyMs: 0 },
      triggers: {
        mode: 'threshold',
        alphaPercent: 0.5,
        margin: 2,
        warmUpMs: 1500,
        sharedFault: 'rollback',
        errorRatePercent: 1.5,
        p95Ms: 750,
        crashLoop: false,
        failingHealthPercent: 20,
        minRequests: 10,
        minBad: 2,
        windowMs: 30_000,
      },
      waits: {
        readyMs: 60_000,
        proofMs: 3000,
        approvalMs: 3_600_000,
        unknownMs: 90_000,
        onUnknown: 'hold',
        onNoTraffic: 'advance-on-health',
      },
      keepMs: 250,
      notify: null,
      hooks: {
        before: { run: './migrate.sh', timeoutMs: 600_000, onUnknown: 'ask' },
        afterSwitch: { run: './warm.sh', timeoutMs: 5000, onUnknown: 'retry' },
      },
    })
  })

  test('config: an environment’s weights replace the top level’s profile, and null turns a hook off', () => {
    expect(staging!.settings.canary).toEqual({ profile: 'custom', weights: [5, 100], stageMs: 300_000, early: true })
    expect(staging!.settings.waits).toMatchObject({ onUnknown: 'rollback', readyMs: 60_000 })
    expect(Object.keys(staging!.settings.hooks)).toEqual(['afterSwitch'])
    expect(staging!.settings.notify).toEqual({ webhook: 'https://example.com/hook' })
  })

  test('config: services keep the order of the file, and production is the default environment', () => {
    expect(config.services.map(({ name }) => name)).toEqual(['backend', 'frontend'])
    expect(config.defaultEnvironment).toBe('production')
    expect(config.artifacts).toEqual({ from: 'directory', pattern: 'releases/{version}', keep: 3 })
  })
})

describe('canary profiles', () => {
  const canaryOf = (top: string, own: string) => {
    const text = `${minimal.replace('production: {}', `production: { canary: { ${own} } }`)}canary: { ${top} }\n`
    return configOf(text).environments['production']!.settings.canary
  }

  test('config: a profile brings its own stage time, an explicit stage time wins over it', () => {
    expect(canaryOf('profile: staged', '').stageMs).toBe(900_000)
    expect(canaryOf('profile: staged', 'stageSeconds: 0.5').stageMs).toBe(500)
    expect(canaryOf('stageSeconds: 2', 'profile: staged').stageMs).toBe(2000)
  })

  test('config: an environment’s profile replaces the top level’s weights', () => {
    expect(canaryOf('weights: [1, 100]', 'profile: immediate')).toMatchObject({ profile: 'immediate', weights: [100] })
  })
})

describe('YAML', () => {
  test('config: anchors, aliases and merges work', () => {
    const text = `
name: shop
services:
  a: &a { start: node a.mjs, path: /a, replicas: 2 }
  b: { <<: *a, path: /b }
environments: { production: {} }
`
    expect(configOf(text).services.map(({ path, replicas }) => [path, replicas])).toEqual([
      ['/a', 2],
      ['/b', 2],
    ])
  })

  test('config: a name that every object knows is not found among the environments', () => {
    const { environments } = configOf(minimal)
    for (const name of ['constructor', '__proto__', 'toString']) expect(environments[name]).toBeUndefined()
  })

  test('config: a __proto__ key is reported wherever it stands and changes no object', () => {
    const text = minimal.replace('web: { start', 'web: { env: { __proto__: { polluted: "yes" } }, start')
    expect(problemsOf(`${text}__proto__: { polluted: true }\n`)).toEqual([
      'services.web.env.__proto__: unknown key "__proto__"',
      '__proto__: unknown key "__proto__"',
    ])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  test('config: an alias bomb is refused', () => {
    const layers = Array.from({ length: 9 }, (_, n) => `l${n + 1}: &l${n + 1} [${Array(9).fill(`*l${n}`).join(', ')}]`)
    const problems = problemsOf(['l0: &l0 [x, x, x, x, x, x, x, x, x]', ...layers].join('\n'))
    expect(problems).toEqual([expect.stringContaining('excessive alias count')])
  })

  test('config: nesting deeper than any stack is one problem', () => {
    expect(problemsOf('['.repeat(100_000))).toEqual([': nested too deeply'])
  })

  test('config: a text above 1 MiB is refused unread', () => {
    expect(problemsOf(`# ${'x'.repeat(1024 * 1024)}`)).toEqual([': the file is larger than 1 MiB'])
  })
})

describe('Kubernetes', () => {
  const file = (environment: string, services = 'backend: {}, frontend: {}') =>
    `name: moodify\nservices: { ${services} }\nenvironments: { production: { ${environment} } }\n`

  test('config: a block kubernetes is enough, and services need no command there', () => {
    const { environments, services } = configOf(file('kubernetes: {}'))
    expect(environments['production']).toMatchObject({
      platform: 'kubernetes',
      kubernetes: {
        context: null,
        namespace: 'moodify-production',
        layouts: { backend: 'blue-green', frontend: 'blue-green' },
        manifests: '/project/kubernetes',
        registry: null,
        traffic: { by: 'auto', name: null, fronts: [], host: null, propagationMs: 2000 },
        metrics: { from: 'pods' },
      },
    })
    expect(services[0]?.container).toEqual({ image: 'backend', port: 8000, metricsPath: '/metrics' })
  })

  test('config: everything about the cluster can be said', () => {
    const traffic = 'traffic: { by: httproute, name: shop, fronts: ["http://10.0.0.7:80"], propagationSeconds: 5 }'
    const block = `kubernetes: { context: eu, namespace: shop, single: [frontend], registry: r.example/x, ${traffic} }`
    expect(configOf(file(block)).environments['production']?.kubernetes).toEqual({
      context: 'eu',
      namespace: 'shop',
      layouts: { backend: 'blue-green', frontend: 'single' },
      manifests: '/project/kubernetes',
      registry: 'r.example/x',
      traffic: { by: 'httproute', name: 'shop', fronts: ['http://10.0.0.7:80'], host: null, propagationMs: 5000 },
      metrics: { from: 'pods' },
    })
  })

  test('config: counts come from pods, gateways or Prometheus, and from one of them', () => {
    const metricsOf = (metrics: string) =>
      configOf(file(`kubernetes: { metrics: ${metrics} }`)).environments['production']?.kubernetes?.metrics
    const page = 'http://10.0.0.7:15000/stats/prometheus'
    expect(metricsOf(`{ gateway: ["${page}"] }`)).toEqual({ from: 'gateway', pages: [page] })
    expect(metricsOf('{ prometheus: "http://prometheus:9090" }')).toEqual({
      from: 'prometheus',
      url: 'http://prometheus:9090',
      family: 'application',
    })
    expect(problemsOf(file(`kubernetes: { metrics: { gateway: ["${page}"], prometheus: "http://p:9090" } }`))).toEqual([
      'environments.production.kubernetes.metrics: counts come from one source: keep gateway or prometheus',
    ])
    expect(problemsOf(file('kubernetes: { metrics: { family: istio } }'))).toEqual([
      'environments.production.kubernetes.metrics.family: needs prometheus beside it',
    ])
  })

  test('config: what belongs to one platform is a problem on the other', () => {
    expect(problemsOf(file('platform: local, kubernetes: {}', 'backend: { start: x }'))).toEqual([
      'environments.production.kubernetes: the environment is local; keep one of the two',
    ])
    expect(problemsOf(file('listen: 80, kubernetes: { single: [web] }'))).toEqual([
      'environments.production.listen: only local environments listen on this machine; a cluster has its own way in',
      'environments.production.kubernetes.single: no service is called "web"; there are backend, frontend',
    ])
    expect(problemsOf(file('kubernetes: { traffic: istio }'))).toEqual([
      expect.stringContaining('environments.production.kubernetes.traffic: expected one of auto, selector'),
    ])
    expect(problemsOf(file('strategy: canary'))[0]).toContain('services.backend.start: missing')
  })
})
