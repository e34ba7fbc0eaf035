// What people write in moodify.yaml. Times are in seconds and may have decimals. Rules about one key stand here;
// rules about several keys stand in `rules.ts`. Descriptions are what editors show on hover and what
// docs/reference/configuration.md is made from.
import type { z } from 'zod'
import {
  clusterLayouts,
  type hookNames,
  metricFamilies,
  profileNames,
  sharedFaultPolicies,
  trafficWays,
  triggerModes,
} from './config.ts'
import { defaults } from './defaults.ts'
import {
  anyText,
  flag,
  list,
  mapping,
  named,
  oneOf,
  optional,
  percent,
  range,
  required,
  seconds,
  text,
  whole,
} from './fields.ts'
import { latencyEdge, platform, risingWeights, webhookUrl } from './refinements.ts'

/** Names become parts of folders, sockets, and headers. */
export const NAME = /^[a-z][a-z0-9-]{0,30}$/

const requestPath = text('a path that starts with /, such as /health', /^\/[!-"$-~]*$/)
const command = text('a shell command')

const artifacts = mapping({
  from: optional(
    oneOf('git', 'directory'),
    'Where the files of a version come from: `git` takes tags and commits of the repository around this file, ' +
      '`directory` takes one folder per version.',
    defaults.artifacts.from,
  ),
  pattern: optional(
    text(
      'a folder with {version} in it once, such as releases/{version}',
      /^((?!\{version\})[^\0\r\n])*\{version\}((?!\{version\})[^\0\r\n])*$/,
    ),
    'With `from: directory`: the folder of a version, with `{version}` in it once, such as `releases/{version}`. ' +
      'Relative paths start at the folder of this file.',
  ),
  keep: optional(
    whole('a whole number', 1, 1000),
    'How many prepared versions stay on disk. Versions in use are never removed.',
    defaults.artifacts.keep,
  ),
}).meta({ id: 'artifacts' })

const journal = mapping({
  keepReleases: optional(
    whole('a number of releases', 1, 100_000),
    'How many releases of each environment `history`, `explain` and `replay` know; older ones are forgotten. What runs now is never forgotten.',
    defaults.journal.keepReleases,
  ),
}).meta({ id: 'journal' })

const health = mapping({
  startup: optional(
    requestPath,
    'Path that answers 2xx or 3xx once the replica has started. The other probes wait for it.',
    defaults.health.startup,
  ),
  ready: optional(
    requestPath,
    'Path that answers 2xx or 3xx while the replica may receive requests.',
    defaults.health.ready,
  ),
  live: optional(
    requestPath,
    'Path that answers 2xx or 3xx while the replica works at all; a replica that fails it is restarted.',
    defaults.health.live,
  ),
  periodSeconds: optional(seconds({ min: 0.1 }), 'Time from one probe to the next.', defaults.health.periodSeconds),
  timeoutSeconds: optional(
    seconds({ min: 0.01 }),
    'A probe without an answer in this time has failed.',
    defaults.health.timeoutSeconds,
  ),
  failureThreshold: optional(
    whole('a whole number', 1, 1000),
    'Failures in a row after which a replica is no longer ready, or no longer live.',
    defaults.health.failureThreshold,
  ),
  successThreshold: optional(
    whole('a whole number', 1, 1000),
    'Successes in a row after which a replica is ready.',
    defaults.health.successThreshold,
  ),
  startupSeconds: optional(
    seconds(),
    'Time a replica has for its startup probe to pass; it is restarted after that.',
    defaults.health.startupSeconds,
  ),
}).meta({ id: 'health' })

const smokeTest = mapping({
  name: optional(text('a name'), 'What the output calls it. Default: the request.'),
  request: required(
    text('a method and a path, such as GET /health', /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) \/[!-"$-~]*$/),
    'Method and path, such as `GET /health`. The path is the one that the service itself sees.',
  ),
  headers: optional(
    named(text('a header value on one line', /^[\t -~]*$/), text('a header name', /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/)),
    'Headers to send.',
  ),
  body: optional(anyText(), 'Body to send.'),
  status: optional(whole('an HTTP status', 100, 599), 'Status that the answer must have.', defaults.smoke.status),
  contains: optional(text('some text'), 'Text that the body of the answer must contain.'),
  latencySeconds: optional(seconds(), 'Longest time to the end of the answer.'),
}).meta({ id: 'smoke' })

const service = mapping({
  directory: optional(
    text('a folder of the project, such as backend', /^(?!\/)(?!(.*\/)?\.\.(\/|$))[^\0\r\n]+$/),
    'Folder in which `build` and `start` run. Starts at the folder that this file has in the version; with `from: directory`, at the folder of the version.',
    defaults.service.directory,
  ),
  build: optional(command, 'Shell command that makes a version ready to run, once per version.'),
  start: optional(
    command,
    'Shell command that runs one replica in the foreground. It listens on `127.0.0.1` at the port in the environment variable `PORT` and ends itself on SIGTERM. Needed where an environment is `local`.',
  ),
  image: optional(
    text(
      'the name of an image without registry and tag, such as backend',
      /^[a-z0-9]+([._-][a-z0-9]+)*(\/[a-z0-9]+([._-][a-z0-9]+)*)*$/,
    ),
    'On Kubernetes: name of the image below the registry; its tag is the version. Default: the name of the service.',
  ),
  port: optional(
    whole('a port', 1, 65_535),
    'On Kubernetes: port of the container that answers requests, health checks and metrics.',
    defaults.service.port,
  ),
  metrics: optional(
    requestPath,
    'On Kubernetes: path where each pod offers its counts to Prometheus; the judge reads them there.',
    defaults.service.metrics,
  ),
  replicas: optional(whole('a number of replicas', 1, 100), 'How many run in each slot.', defaults.service.replicas),
  path: optional(
    text('a path prefix such as /api', /^\/([\w.~-]+(\/[\w.~-]+)*)?$/),
    'Requests whose path starts with this go to the service; the longest match wins.',
    defaults.service.path,
  ),
  stripPath: optional(
    flag(),
    'Whether the prefix is removed before the request reaches the service.',
    defaults.service.stripPath,
  ),
  env: optional(
    named(anyText(), text('a variable name other than PORT', /^(?!PORT$)[A-Za-z_][A-Za-z0-9_]*$/)),
    'Environment variables, as text. `PORT` is set by moodify. No secrets here: use `envFile`.',
  ),
  envFile: optional(
    text('the path of a file'),
    'File of `NAME=value` lines whose values are secrets: never printed, never stored. Relative paths start at the folder of this file. Read when a replica starts.',
  ),
  health: optional(
    requestPath.or(health),
    'How a replica says that it is well: one path for all three probes, or each by itself.',
  ),
  graceSeconds: optional(seconds({ min: 0 }), 'Time between SIGTERM and SIGKILL.', defaults.service.graceSeconds),
  drainSeconds: optional(
    seconds({ min: 0 }),
    'Longest time that requests in flight are waited for before a replica is ended.',
    defaults.service.drainSeconds,
  ),
  affinity: optional(
    mapping({
      cookie: required(
        text('the name of a cookie, of letters, digits, _, . and -', /^[\w.-]{1,64}$/),
        'Name of the cookie. It holds a random number and nothing of the user.',
      ),
      seconds: optional(seconds({ min: 1 }), 'How long browsers keep it. Default: until they are closed.'),
    }).meta({ id: 'affinity' }),
    'Where the environment is `local`: users stay with one version and one replica by a cookie, WebSockets too. Versions are compared user by user then, which finds less and promises less; see the page on judgement.',
  ),
  memoryLimitMb: optional(
    whole('a number of megabytes', 1, 1_048_576),
    'A replica above this resident size is restarted. Default: no limit.',
  ),
  smoke: optional(
    list(smokeTest),
    'Requests sent to the new version before users see it; each must be answered as expected.',
  ),
}).meta({ id: 'service' })

const hook = mapping({
  run: required(command, 'Shell command, run in the folder of this file. It fails with any exit code but 0.'),
  timeoutSeconds: optional(seconds(), 'It is ended and has failed after this time.', defaults.hook.timeoutSeconds),
  onUnknown: optional(
    oneOf('retry', 'ask'),
    'After a crash between its start and its end: `retry` runs it again, `ask` holds the release until a person decides.',
    defaults.hook.onUnknown,
  ),
}).meta({ id: 'hook' })

const hookMoments: Record<(typeof hookNames)[number], string> = {
  before: 'Before anything is started, such as a migration or a backup.',
  beforeTraffic: 'When the new version is ready and tested, before its first request.',
  afterSwitch: 'When all traffic goes to the new version.',
  afterRollback: 'When a release was taken back.',
}

function hookAt(moment: (typeof hookNames)[number]) {
  return optional(command.or(hook).nullable(), `${hookMoments[moment]} \`null\` turns off one from the top level.`)
}

/** Keys that stand at the top level for all environments, and within one environment for that one. */
export const settingsShape = {
  canary: optional(
    mapping({
      profile: optional(
        oneOf(...profileNames),
        'Named weights: `progressive` is 10, 25, 50, 100; `staged` is 10, 50, 100 with 900 s a stage; `immediate` goes to 100 once checks pass.',
        defaults.canary.profile,
      ),
      weights: optional(
        risingWeights(list(whole('a whole percentage', 1, 100))),
        'Own weights instead of a profile: rising percentages that end with 100. Default: those of the profile.',
        defaults.canary.weights,
      ),
      stageSeconds: optional(
        seconds(),
        'How long each weight is watched before the next. Default: that of the profile.',
        defaults.canary.stageSeconds,
      ),
      early: optional(
        flag(),
        'Whether a stage ends as soon as the new version has shown itself, before its time is over (`triggers.mode: sequential`).',
        defaults.canary.early,
      ),
    }).meta({ id: 'canary' }),
    'A share of the traffic that grows in stages.',
  ),
  blueGreen: optional(
    mapping({
      monitorSeconds: optional(
        seconds(),
        'How long the new version is watched after the switch.',
        defaults.blueGreen.monitorSeconds,
      ),
      approval: optional(flag(), 'Whether the switch waits for `moodify promote`.', defaults.blueGreen.approval),
      preSwitchPercent: optional(
        whole('a whole percentage', 0, 50),
        'Share of the traffic, in percent, that the new version gets for the monitor time before the switch, so that it is compared with the old one while both serve. 0 is none.',
        defaults.blueGreen.preSwitchPercent,
      ),
    }).meta({ id: 'blueGreen' }),
    'All traffic at once, after the new version has been checked beside the old one.',
  ),
  rolling: optional(
    mapping({
      monitorSeconds: optional(
        seconds(),
        'How long the new version is watched after the last replica was replaced.',
        defaults.rolling.monitorSeconds,
      ),
      minReadySeconds: optional(
        seconds({ min: 0 }),
        'How long a new replica has to be ready before the next old one goes.',
        defaults.rolling.minReadySeconds,
      ),
    }).meta({ id: 'rolling' }),
    'One replica after the other.',
  ),
  triggers: optional(
    mapping({
      mode: optional(
        oneOf(...triggerModes),
        '`sequential` compares the new version with the old one by tests whose false alarms are bounded however often they are looked at; the limits below are tested the same way. `threshold` compares the rates of the newest window with the limits and nothing else.',
        defaults.triggers.mode,
      ),
      alphaPercent: optional(
        range('a percentage from 0.01 to 20', 0.01, 20),
        'With `mode: sequential`: the chance that a release of a good version is taken back.',
        defaults.triggers.alphaPercent,
      ),
      margin: optional(
        range('a factor from 1 to 10', 1, 10),
        'With `mode: sequential`: a new version whose errors are at most this many times those of the old one counts as good.',
        defaults.triggers.margin,
      ),
      warmUpSeconds: optional(
        seconds({ min: 0 }),
        'With `mode: sequential`: a new replica is compared with the old version only after this time with traffic, or a fifth of the watching time if that is shorter. Until then it has to be five times as bad to be taken back for it.',
        defaults.triggers.warmUpSeconds,
      ),
      sharedFault: optional(
        oneOf(...sharedFaultPolicies),
        'With `mode: sequential`: what happens when the old version breaks the same limit. `freeze` holds the release, because going back would cure nothing; `rollback` goes back all the same.',
        defaults.triggers.sharedFault,
      ),
      errorRatePercent: optional(
        percent(),
        'A release with more answers 5xx or broken connections than this goes back.',
        defaults.triggers.errorRatePercent,
      ),
      p95Seconds: optional(
        latencyEdge(),
        'A release whose 95th percentile of latency is above this goes back. Latency is counted in a histogram, so it has to be one of its edges.',
        defaults.triggers.p95Seconds,
      ),
      crashLoop: optional(
        flag(),
        'Whether a replica that keeps exiting takes the release back.',
        defaults.triggers.crashLoop,
      ),
      failingHealthPercent: optional(
        percent(),
        'A release with more replicas than this failing their health checks goes back.',
        defaults.triggers.failingHealthPercent,
      ),
      minRequests: optional(
        whole('a number of requests', 1, 1_000_000),
        'With fewer requests nothing is said about rates: in the window with `mode: threshold`, in the stage otherwise.',
        defaults.triggers.minRequests,
      ),
      minBad: optional(
        whole('a number of requests', 1, 1_000_000),
        'A rate is acted on only with at least this many bad requests.',
        defaults.triggers.minBad,
      ),
      windowSeconds: optional(
        seconds({ min: 1 }),
        'With `mode: threshold`: length of the newest stretch of time that rates are taken over.',
        defaults.triggers.windowSeconds,
      ),
    }).meta({ id: 'triggers' }),
    'When a release goes back by itself.',
  ),
  waits: optional(
    mapping({
      readySeconds: optional(
        seconds(),
        'Longest time for all replicas to become ready; the release goes back after it.',
        defaults.waits.readySeconds,
      ),
      proofSeconds: optional(
        seconds(),
        'Longest time for the front to be seen following a change of shares.',
        defaults.waits.proofSeconds,
      ),
      approvalSeconds: optional(seconds(), 'Longest time for an approval.', defaults.waits.approvalSeconds),
      unknownSeconds: optional(
        seconds(),
        'Longest time that a verdict may stay unknown after the watching time is over.',
        defaults.waits.unknownSeconds,
      ),
      onUnknown: optional(
        oneOf('hold', 'rollback'),
        'What happens then: `hold` waits for a person, `rollback` goes back.',
        defaults.waits.onUnknown,
      ),
      onNoTraffic: optional(
        oneOf('hold', 'advance-on-health'),
        'What happens when there are no requests to judge by: `hold` waits, `advance-on-health` goes on while health checks pass.',
        defaults.waits.onNoTraffic,
      ),
    }).meta({ id: 'waits' }),
    'How long is waited for what, and what happens after.',
  ),
  keepSeconds: optional(
    seconds({ min: 0 }),
    'How long the old version stays warm for an instant rollback.',
    defaults.keepSeconds,
  ),
  notify: optional(
    mapping({
      webhook: optional(
        webhookUrl().nullable(),
        'URL that gets a JSON message per event. `null` turns off one from the top level.',
      ),
    }).meta({ id: 'notify' }),
    'Who is told.',
  ),
  hooks: optional(
    mapping({
      before: hookAt('before'),
      beforeTraffic: hookAt('beforeTraffic'),
      afterSwitch: hookAt('afterSwitch'),
      afterRollback: hookAt('afterRollback'),
    }).meta({ id: 'hooks' }),
    'Own commands at fixed moments: a shell command, or a mapping with `run`.',
  ),
}

const kubernetesName = (what: string) => text(what, /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/)

const traffic = mapping({
  by: optional(
    oneOf(...trafficWays),
    'What shares the traffic out: `selector` moves the selector of the Service, all at once; `replicas` adds pods of the new version behind the same Service; `httproute`, `virtualservice` and `nginx` set weights. `auto` takes the first of httproute, virtualservice, nginx whose object is there, else `selector` or, for a canary, `replicas`.',
    defaults.traffic.by,
  ),
  name: optional(
    kubernetesName('the name of an object'),
    'Name of the HTTPRoute, VirtualService or Ingress. Default: `SERVICE-route`, `SERVICE-vs`, `SERVICE-ingress`.',
  ),
  fronts: optional(
    list(text('an address such as http://10.0.0.7:8080', /^https?:\/\/[^\s/]+$/)),
    'Addresses of the gateway at which moodify makes sure that it follows a change. Default: they are looked for.',
  ),
  host: optional(
    text('a host name', /^[a-z0-9.-]+$/),
    'Host header of the requests to the gateway. Default: the first host of the route.',
  ),
  propagationSeconds: optional(
    seconds({ min: 0 }),
    'How long a change takes to be everywhere, where nothing can show it.',
    defaults.traffic.propagationSeconds,
  ),
}).meta({ id: 'traffic' })

const pageUrl = (what: string) => text(what, /^https?:\/\/\S+$/)

const counts = mapping({
  gateway: optional(
    list(pageUrl('an address such as http://10.0.0.7:15000/stats/prometheus')),
    'Metrics pages of the gateway, one for each of its replicas: of Envoy, of Istio’s proxy, or of Traefik. They count what users got, errors of the gateway itself included, but cannot tell versions apart while a slot rolls.',
  ),
  prometheus: optional(pageUrl('an address such as http://prometheus:9090'), 'Address of a Prometheus server.'),
  family: optional(
    oneOf(...metricFamilies),
    'Whose metrics that Prometheus has: the `application`’s own per pod (`http_requests_total`, `http_request_duration_seconds`), or those of `istio`, `envoy` or `nginx` at the edge.',
    defaults.counts.family,
  ),
}).meta({ id: 'counts' })

const kubernetes = mapping({
  context: optional(text('the name of a context'), 'Context of the kubeconfig. Default: the current one.'),
  namespace: optional(
    text('the name of a namespace', /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/),
    'Namespace of the environment. Default: the name of the application, `-`, and that of the environment.',
  ),
  layout: optional(
    oneOf(...clusterLayouts),
    '`blue-green` has the Deployments `SERVICE-blue` and `SERVICE-green`, `single` has `SERVICE-deployment`; both have `SERVICE-canary`.',
    defaults.kubernetes.layout,
  ),
  single: optional(
    list(text('the name of a service')),
    'Services that have the layout `single` although the others have `blue-green`.',
  ),
  manifests: optional(
    text('a folder'),
    'Folder with the manifests. Relative paths start at the folder of this file.',
    defaults.kubernetes.manifests,
  ),
  registry: optional(
    text('a registry such as registry.example.com/team', /^[\w.-]+(:\d+)?(\/[\w.-]+)*$/),
    'Registry of the images, `${IMAGE_REGISTRY}` of the manifests. Default: the variable IMAGE_REGISTRY, else that of the image which runs.',
  ),
  traffic: optional(
    oneOf(...trafficWays).or(traffic),
    'What shares the traffic out: one word, or a mapping.',
    defaults.traffic.by,
  ),
  metrics: optional(
    counts,
    'Where counts of requests come from. Default: the metrics page of each pod, through the API server.',
  ),
}).meta({ id: 'kubernetes' })

const environment = mapping({
  platform: optional(
    platform(),
    'Where it runs: `local` is processes on this machine, `kubernetes` a cluster. A block of that name says so too.',
    defaults.environment.platform,
  ),
  kubernetes: optional(kubernetes, 'The cluster that it runs on.'),
  listen: optional(
    whole('a port', 0, 65_535),
    'TCP port of the front on 127.0.0.1. `0` takes a free one and keeps it.',
    defaults.environment.listen,
  ),
  front: optional(
    mapping({
      processes: optional(
        whole('a number of processes', 1, 64),
        'How many processes of the front share the port. One is enough for some thousand requests/s; more than cores are of no use.',
        defaults.front.processes,
      ),
      tls: optional(
        mapping({
          cert: required(
            text('the path of a file'),
            'PEM file with the certificate, its own first, then those that it was signed with. Relative paths start at the folder of this file.',
          ),
          key: required(
            text('the path of a file'),
            'PEM file with its key. It is read where it lies, and never copied.',
          ),
        }).meta({ id: 'tls' }),
        'Serves HTTPS. Renewed files are noticed within a second and hold for new connections; nothing is dropped. Default: plain HTTP.',
      ),
    }).meta({ id: 'front' }),
    'How the front of a `local` environment serves. A change takes effect with `moodify up` or the next release, without an outage.',
  ),
  strategy: optional(
    oneOf('blue-green', 'canary', 'rolling'),
    'How a release is done, unless the command says otherwise.',
    defaults.environment.strategy,
  ),
  ...settingsShape,
}).meta({ id: 'environment' })

export const fileSchema = mapping({
  name: required(
    text('a name of lower-case letters, digits and -, at most 31', NAME),
    'Name of the application, in lower case.',
  ),
  artifacts: optional(artifacts, 'Where the files of a version come from.'),
  journal: optional(journal, 'What is remembered of releases.'),
  metrics: optional(
    mapping({
      listen: required(
        whole('a port', 1, 65_535),
        'TCP port on 127.0.0.1 where `/metrics` is, for Prometheus: releases, decisions, verdicts, replicas and requests of the local environments.',
      ),
    }).meta({ id: 'metrics' }),
    'Metrics of moodify itself. Default: only on its Unix sockets.',
  ),
  services: required(
    named(service).meta({ minProperties: 1, propertyNames: { pattern: NAME.source } }),
    'The services by name, in the order in which a release ships them.',
  ),
  environments: required(
    named(environment).meta({ minProperties: 1, propertyNames: { pattern: NAME.source } }),
    'The environments by name. `production` is used when no other is asked for.',
  ),
  ...settingsShape,
})

/** moodify.yaml as written, checked. */
export type Written = z.output<typeof fileSchema>
