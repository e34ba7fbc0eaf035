import { describe, expect, test } from 'vitest'
import { parseConfig } from '../../src/config/load.ts'
import { problemLine } from '../../src/config/problems.ts'
import { from, minimal, problemsOf } from './examples.ts'

function report(text: string): string {
  const result = parseConfig(text, from)
  return 'problems' in result
    ? result.problems.map((problem) => problemLine('moodify.yaml', problem)).join('\n')
    : 'none'
}

test('config: a file with many mistakes gets all of them listed, each with its line and what was meant', () => {
  const text = `name: Moodify
artifacts: { from: directory }
services:
  backend:
    start: node server.mjs
    replicas: "3"
    env:
      FLAG: true
      PORT: "1"
    health: { ready: health, timeoutSecond: 1 }
    smoke:
      - request: FETCH /health
  Frontend:
    path: /
    start: ""
environments:
  production: { platform: docker, listen: 8080, strategy: bluegreen }
  staging:
    listen: 8080
    canary: { profile: staged, weights: [10, 100] }
canary:
  weights: [25, 10, 50]
  stageSecond: 3
triggers: { p95Seconds: 4 }
waits: { readySeconds: 5m }
hooks: { before: { rum: x }, afterSwitch: 5 }
notify: { webhook: ftp://x }
`
  expect(report(text)).toMatchInlineSnapshot(`
    "moodify.yaml:1:1  name: expected a name of lower-case letters, digits and -, at most 31, found the text "Moodify"
    moodify.yaml:2:1  artifacts.pattern: missing; \`from: directory\` needs one, such as releases/{version}
    moodify.yaml:6:5  services.backend.replicas: expected a number of replicas from 1 to 100, found the text "3"; did you mean 3?
    moodify.yaml:8:7  services.backend.env.FLAG: expected text, found true; put it in quotes
    moodify.yaml:9:7  services.backend.env.PORT: expected a variable name other than PORT, found the text "PORT"
    moodify.yaml:10:15  services.backend.health.ready: expected a path that starts with /, such as /health, found the text "health"
    moodify.yaml:10:30  services.backend.health.timeoutSecond: unknown key "timeoutSecond" in services.backend.health; did you mean "timeoutSeconds"?
    moodify.yaml:12:9  services.backend.smoke[0].request: expected a method and a path, such as GET /health, found the text "FETCH /health"
    moodify.yaml:13:3  services.Frontend: expected a name of lower-case letters, digits and -, at most 31, found "Frontend"
    moodify.yaml:14:5  services.Frontend.path: the services "backend" and "Frontend" both have the path /; each needs its own
    moodify.yaml:15:5  services.Frontend.start: expected a shell command, found the text ""
    moodify.yaml:17:17  environments.production.platform: expected a platform that this version of moodify has, which are local and kubernetes, found the text "docker"
    moodify.yaml:17:49  environments.production.strategy: expected one of blue-green, canary, rolling, found the text "bluegreen"; did you mean "blue-green"?
    moodify.yaml:19:5  environments.staging.listen: the environments "production" and "staging" both listen on port 8080; each needs its own
    moodify.yaml:20:32  environments.staging.canary.weights: the profile "staged" has weights of its own; keep either profile or weights
    moodify.yaml:22:3  canary.weights: expected rising percentages that end with 100, found 25, 10, 50
    moodify.yaml:23:3  canary.stageSecond: unknown key "stageSecond" in canary; did you mean "stageSeconds"?
    moodify.yaml:24:13  triggers.p95Seconds: expected an edge of the latency histogram, found 4; the nearest are 3 and 5
    moodify.yaml:25:10  waits.readySeconds: expected a number of seconds, found the text "5m"; did you mean 300?
    moodify.yaml:26:10  hooks.before.run: missing; a shell command is needed here
    moodify.yaml:26:20  hooks.before.rum: unknown key "rum" in hooks.before; did you mean "run"?
    moodify.yaml:26:30  hooks.afterSwitch: expected text or a mapping with run, timeoutSeconds, onUnknown, found 5
    moodify.yaml:27:11  notify.webhook: expected a URL that starts with https:// or http://, found the text "ftp://x""
  `)
})

describe('one mistake at a time', () => {
  const withLine = (line: string) => `${minimal}${line}\n`

  const mistakes = [
    ['', ': the file is empty; moodify init writes one'],
    ['# only a comment', ': the file is empty; moodify init writes one'],
    ['just text', ': expected a mapping, found the text "just text"'],
    ['- a', ': expected a mapping, found a list'],
    [withLine('canary:'), 'canary: expected a mapping, found nothing'],
    [withLine('keepSeconds: -1'), 'keepSeconds: expected at least 0 seconds, found -1'],
    [withLine('keepSeconds: 1e9'), 'keepSeconds: expected at most 1728000 seconds, found 1000000000'],
    [withLine('keepSeconds: .inf'), 'keepSeconds: expected a number of seconds, found Infinity'],
    [withLine('keepSeconds: .nan'), 'keepSeconds: expected a number of seconds, found NaN'],
    [
      withLine('canary: { weights: [] }'),
      'canary.weights: expected rising percentages that end with 100, found an empty list',
    ],
    [
      withLine('canary: { weights: [0, 100] }'),
      'canary.weights[0]: expected a whole percentage from 1 to 100, found 0',
    ],
    [
      withLine('canary: { weights: [2.5, 100] }'),
      'canary.weights[0]: expected a whole percentage from 1 to 100, found 2.5',
    ],
    [withLine('canary: { weights: 50 }'), 'canary.weights: expected a list, found 50'],
    [
      withLine('triggers: { p95Seconds: 60 }'),
      'triggers.p95Seconds: expected an edge of the latency histogram, found 60; the nearest are 30',
    ],
    [
      withLine('triggers: { p95Seconds: fast }'),
      'triggers.p95Seconds: expected a number of seconds, found the text "fast"',
    ],
    [withLine('triggers: { crashLoop: yes }'), 'triggers.crashLoop: expected true or false, found the text "yes"'],
    [
      withLine('triggers: { errorRatePercent: 101 }'),
      'triggers.errorRatePercent: expected a percentage from 0 to 100, found 101',
    ],
    [withLine('hooks: { before: "  " }'), 'hooks.before: expected a shell command, found the text "  "'],
    [withLine('artifacts: { pattern: "a/{version}" }'), 'artifacts.pattern: only `from: directory` has a pattern'],
    [
      withLine('artifacts: { from: directory, pattern: "{version}/{version}" }'),
      'artifacts.pattern: expected a folder with {version} in it once, such as releases/{version}, found the text "{version}/{version}"',
    ],
    ['name: a\nservices: {}\nenvironments: { x: {} }', 'services: expected at least one of the services, found none'],
    ['name: a\nenvironments: { x: {} }', 'services: missing; a mapping is needed here'],
    [minimal.replace('production', 'constructor'), 'environments.constructor: the name "constructor" is reserved'],
    [
      minimal.replace('start:', 'health: healthz, start:'),
      'services.web.health: expected a path that starts with /, such as /health, found the text "healthz"',
    ],
    [
      minimal.replace('start:', 'health: 5, start:'),
      'services.web.health: expected text or a mapping with startup, ready, live, periodSeconds, timeoutSeconds, failureThreshold, successThreshold, startupSeconds, found 5',
    ],
    [
      minimal.replace('start:', 'directory: a/../../etc, start:'),
      'services.web.directory: expected a folder of the project, such as backend, found the text "a/../../etc"',
    ],
    [
      minimal.replace('start:', 'smoke: [{ request: GET /, headers: { A: "1\\r\\nB: 2" } }], start:'),
      'services.web.smoke[0].headers.A: expected a header value on one line, found the text "1\\r\\nB: 2"',
    ],
    [withLine('name: again'), ': the key "name" is there twice'],
    [withLine('canary: *nothing'), ': *nothing refers to no anchor above it'],
    [withLine('---\nname: b'), ': a second document starts here; the file must hold one'],
  ] as const

  test.each(mistakes.map(([text, problem]) => ({ text, problem })))('config: $problem', ({ text, problem }) => {
    expect(problemsOf(text)).toEqual([problem])
  })

  test('config: a wrong value is not taken for the default by the rules about several keys', () => {
    const text = `
name: shop
artifacts: { from: folder, pattern: "releases/{version}" }
services:
  web: { start: node web.mjs }
  api: { start: node api.mjs, path: api }
environments: { production: {} }
`
    expect(problemsOf(text).map((problem) => problem.split(':')[0])).toEqual(['artifacts.from', 'services.api.path'])
  })
})

describe('suggestions', () => {
  test.each([
    ['canary: { stageSecond: 3 }', '"stageSeconds"'],
    ['canary: { stage_seconds: 3 }', '"stageSeconds"'],
    ['canary: { stage: 3 }', '"stageSeconds"'],
    ['canary: { profile: progresive }', '"progressive"'],
    ['trigers: {}', '"triggers"'],
    ['keepSeconds: 10min', '600'],
    ['keepSeconds: 250 ms', '0.25'],
    ['keepSeconds: "30"', '30'],
    ['triggers: { minBad: "7" }', '7'],
    ['canary: { profile: { name: staged } }', undefined],
    ['colour: red', undefined],
    ['keepSeconds: soon', undefined],
  ])('config: %s → did you mean %s', (line, suggestion) => {
    const result = parseConfig(`${minimal}${line}\n`, from)
    expect('problems' in result && result.problems[0]!.suggestion).toBe(suggestion)
  })
})

test('config: a mistake inside an alias is reported where the value stands', () => {
  const text = `name: shop
services:
  a: &a
    start: node a.mjs
    path: /a
    replicas: none
  b: { <<: *a, path: /b }
environments: { production: {} }
`
  expect(report(text)).toMatchInlineSnapshot(`
    "moodify.yaml:6:5  services.a.replicas: expected a number of replicas from 1 to 100, found the text "none"
    moodify.yaml:6:5  services.b.replicas: expected a number of replicas from 1 to 100, found the text "none""
  `)
})

test('config: an alias that goes nowhere is reported where it stands', () => {
  expect(report('name: shop\nservices:\n  web: *nothing\n')).toBe(
    'moodify.yaml:3:8  *nothing refers to no anchor above it',
  )
})

test('config: syntax errors are reported with their position and nothing is guessed about the rest', () => {
  expect(report('name: shop\nservices:\n\tweb: {}\nenvironments: [\n')).toMatchInlineSnapshot(`
    "moodify.yaml:3:1  tabs are not allowed as indentation
    moodify.yaml:5:1  flow sequence in block collection must be sufficiently indented and end with a ]"
  `)
})
