// What an API server does, as far as Moodify Deploy rests on it: the real one, and the one of the tests.
import { describe, expect, test } from 'vitest'
import type { Api, KubernetesObject, Resource, WatchEvent } from '../../src/effects/kubernetes/api.ts'
import { until } from '../support/until.ts'
import type { MakeSubject } from './subject.ts'

export interface ApiServerSubject extends AsyncDisposable {
  readonly api: Api
  /** One that is there, of this subject alone. */
  readonly namespace: string
  /** A watch is told how far it has come at the latest after this time. */
  readonly bookmarkSeconds: number
  /** Makes the version of now too old to watch from; else the reason why that is not shown. */
  readonly forget: (() => void) | string
}

type Data = Readonly<Record<string, string>>

function kindsIn(namespace: string) {
  const configMaps: Resource = { apiVersion: 'v1', plural: 'configmaps', namespace }
  const deployments: Resource = { apiVersion: 'apps/v1', plural: 'deployments', namespace }
  return { configMaps, deployments, leases: { apiVersion: 'coordination.k8s.io/v1', plural: 'leases', namespace } }
}

function configMap(
  name: string,
  data: Data = {},
  metadata: Partial<KubernetesObject['metadata']> = {},
): KubernetesObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data }
}

interface DeploymentOptions {
  readonly image?: string
  readonly env?: Data
  readonly labels?: Data
}

/** Of no replicas: nothing is started. */
function deployment(
  name: string,
  { image = 'localhost/none:1', env = {}, labels }: DeploymentOptions = {},
): KubernetesObject {
  const variables = Object.entries(env).map(([key, value]) => ({ name: key, value }))
  const container = { name: 'main', image, ...(variables.length > 0 && { env: variables }) }
  const template = { metadata: { labels: { app: name, ...labels } }, spec: { containers: [container] } }
  const spec = { replicas: 0, selector: { matchLabels: { app: name, ...labels } }, template }
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name }, spec }
}

// biome-ignore lint/suspicious/noExplicitAny: only parts of it are looked at
const specOf = (object: KubernetesObject | null) => object!['spec'] as any
const dataOf = (object: KubernetesObject | null) => object!['data'] as Data | undefined
const versionOf = ({ metadata }: KubernetesObject) => metadata.resourceVersion!
const names = (objects: readonly KubernetesObject[]) => objects.map(({ metadata }) => metadata.name)
/** A cluster puts one into every namespace. */
const isOurs = ({ metadata }: KubernetesObject) => metadata.name !== 'kube-root-ca.crt'

/** Follows changes until disposed. */
function following(api: Api, resource: Resource, from: string, labelSelector?: string) {
  const stop = new AbortController()
  const events: WatchEvent[] = []
  const over = (async () => {
    const options = labelSelector === undefined ? {} : { labelSelector }
    for await (const event of api.watch(resource, from, options, stop.signal)) events.push(event)
  })()
  over.catch(() => {})
  const seen = () =>
    events.filter(({ type }) => type !== 'BOOKMARK').map(({ type, object }) => `${type} ${object.metadata.name}`)
  return {
    events,
    seen,
    async [Symbol.asyncDispose]() {
      stop.abort()
      await over.catch(() => {})
    },
  }
}

export function describeApiServer(name: string, makeSubject: MakeSubject<ApiServerSubject>): void {
  describe(`API server, ${name}`, () => {
    test('what was created is read as it was answered, with what the server adds', async () => {
      await using subject = await makeSubject()
      const { api, namespace } = subject
      const { configMaps } = kindsIn(namespace)
      const made = await api.create(configMaps, configMap('one', { key: 'value' }, { labels: { app: 'a' } }))
      expect(made).toMatchObject({ kind: 'ConfigMap', data: { key: 'value' }, metadata: { name: 'one', namespace } })
      expect(made.metadata.uid).toMatch(/^[0-9a-f-]{36}$/)
      expect(made.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
      expect(Number(versionOf(made))).toBeGreaterThan(0)
      expect(await api.get(configMaps, 'one')).toEqual(made)
      expect(await api.get(configMaps, 'other')).toBe(null)
    })

    test('a name is taken once', async () => {
      await using subject = await makeSubject()
      const { configMaps } = kindsIn(subject.namespace)
      await subject.api.create(configMaps, configMap('one', { key: 'first' }))
      const again = subject.api.create(configMaps, configMap('one', { key: 'second' }))
      const message = 'configmaps "one" already exists'
      await expect(again).rejects.toMatchObject({ status: 409, reason: 'AlreadyExists', message })
      expect(dataOf(await subject.api.get(configMaps, 'one'))).toEqual({ key: 'first' })
    })

    test('what cannot be stored is refused with the reason', async () => {
      await using subject = await makeSubject()
      const { api, namespace } = subject
      const { configMaps, deployments } = kindsIn(namespace)
      const versioned = configMap('one', {}, { resourceVersion: '1' })
      const unfit = { ...specOf(deployment('one')), selector: { matchLabels: { app: 'b' } } }
      const elsewhere = { ...configMaps, namespace: `${namespace}-not` }
      const refusals: [Resource, KubernetesObject, { status: number; reason: string; message?: string }][] = [
        [configMaps, versioned, { status: 500, reason: 'Unknown' }],
        [configMaps, configMap('Not_A_Name'), { status: 422, reason: 'Invalid' }],
        [configMaps, configMap('one', { 'no key': '' }), { status: 422, reason: 'Invalid' }],
        [configMaps, configMap('one', { big: 'x'.repeat(1_048_577) }), { status: 422, reason: 'Invalid' }],
        [
          elsewhere,
          configMap('one'),
          { status: 404, reason: 'NotFound', message: `namespaces "${namespace}-not" not found` },
        ],
        [deployments, { ...deployment('one'), spec: unfit }, { status: 422, reason: 'Invalid' }],
      ]
      for (const [resource, object, expected] of refusals) {
        await expect(api.create(resource, object)).rejects.toMatchObject(expected)
      }
      expect((await api.list(configMaps)).items.filter(isOurs)).toEqual([])
    })

    test('a kind that is not served is an error, not an absent object', async () => {
      await using subject = await makeSubject()
      const unknown = { apiVersion: 'v1', plural: 'nothings', namespace: subject.namespace }
      await expect(subject.api.get(unknown, 'one')).rejects.toMatchObject({ status: 404 })
    })

    test('an error is a Status object', async () => {
      await using subject = await makeSubject()
      const { api, namespace } = subject
      const answer = await api.request(`/apis/apps/v1/namespaces/${namespace}/deployments/one`)
      expect(answer.status).toBe(404)
      expect(JSON.parse(answer.body)).toEqual({
        kind: 'Status',
        apiVersion: 'v1',
        metadata: {},
        status: 'Failure',
        message: 'deployments.apps "one" not found',
        reason: 'NotFound',
        details: { name: 'one', group: 'apps', kind: 'deployments' },
        code: 404,
      })
    })

    test('a replacement of what is no longer there in that version is refused and changes nothing', async () => {
      await using subject = await makeSubject()
      const { api } = subject
      const { configMaps } = kindsIn(subject.namespace)
      const first = await api.create(configMaps, configMap('one', { key: '1' }))
      const second = await api.replace(configMaps, { ...first, data: { key: '2' } })
      expect(versionOf(second)).not.toBe(versionOf(first))
      const late = api.replace(configMaps, { ...first, data: { key: 'late' } })
      const message = expect.stringContaining(
        'Operation cannot be fulfilled on configmaps "one": the object has been modified',
      )
      await expect(late).rejects.toMatchObject({ status: 409, reason: 'Conflict', message })
      expect(await api.get(configMaps, 'one')).toEqual(second)
      const absent = api.replace(configMaps, configMap('other'))
      await expect(absent).rejects.toMatchObject({ status: 404, reason: 'NotFound' })
    })

    test('a replacement without a version always takes place', async () => {
      await using subject = await makeSubject()
      const { configMaps } = kindsIn(subject.namespace)
      const first = await subject.api.create(configMaps, configMap('one', { key: '1' }))
      const second = await subject.api.replace(configMaps, configMap('one', { key: '2' }))
      expect(second.metadata.uid).toBe(first.metadata.uid)
      expect(dataOf(await subject.api.get(configMaps, 'one'))).toEqual({ key: '2' })
    })

    test('of two replacements of the same version one takes place', async () => {
      await using subject = await makeSubject()
      const { configMaps } = kindsIn(subject.namespace)
      const first = await subject.api.create(configMaps, configMap('one'))
      const replace = (writer: string) => subject.api.replace(configMaps, { ...first, data: { writer } })
      const both = await Promise.allSettled([replace('a'), replace('b')])
      expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    })

    test('a write that changes nothing makes no new version', async () => {
      await using subject = await makeSubject()
      const { api } = subject
      const { configMaps } = kindsIn(subject.namespace)
      const first = await api.create(configMaps, configMap('one', { key: '1' }))
      expect(versionOf(await api.replace(configMaps, first))).toBe(versionOf(first))
      expect(versionOf(await api.merge(configMaps, 'one', { data: { key: '1' } }))).toBe(versionOf(first))
    })

    test('JSON Patch: all operations or none', async () => {
      await using subject = await makeSubject()
      const { api } = subject
      const { configMaps } = kindsIn(subject.namespace)
      const annotations = { 'moodify.dev/epoch': '1' }
      const first = await api.create(configMaps, configMap('one', { a: '1', b: '2' }, { annotations }))
      const epoch = '/metadata/annotations/moodify.dev~1epoch'
      const patched = await api.patch(configMaps, 'one', [
        { op: 'test', path: epoch, value: '1' },
        { op: 'replace', path: epoch, value: '2' },
        { op: 'remove', path: '/data/a' },
        { op: 'add', path: '/data/c', value: '3' },
        { op: 'add', path: '/metadata/labels', value: { app: 'x' } },
      ])
      expect(patched).toMatchObject({ data: { b: '2', c: '3' }, metadata: { labels: { app: 'x' } } })
      expect(dataOf(patched)).toEqual({ b: '2', c: '3' })
      expect(versionOf(patched)).not.toBe(versionOf(first))
      const stale = [
        { op: 'replace', path: '/data/b', value: 'late' },
        { op: 'test', path: epoch, value: '1' },
      ] as const
      await expect(api.patch(configMaps, 'one', stale)).rejects.toMatchObject({ status: 422, reason: 'Invalid' })
      expect(await api.get(configMaps, 'one')).toEqual(patched)
    })

    test('JSON Patch: what does not fit is 422, an absent object 404', async () => {
      await using subject = await makeSubject()
      const { api } = subject
      const { configMaps } = kindsIn(subject.namespace)
      await api.create(configMaps, configMap('one', { a: '1' }))
      const unfit = [
        [{ op: 'remove', path: '/data/b' }],
        [{ op: 'replace', path: '/metadata/annotations/a', value: '' }],
        [{ op: 'test', path: '/data/b', value: '' }],
        [{ op: 'add', path: '/metadata/annotations/a', value: '' }],
        [{ op: 'test', path: '/metadata/annotations/a', value: '' }],
      ] as const
      for (const operations of unfit) {
        await expect(api.patch(configMaps, 'one', operations), JSON.stringify(operations)).rejects.toMatchObject({
          status: 422,
        })
      }
      const absent = api.patch(configMaps, 'other', [{ op: 'remove', path: '/data/a' }])
      await expect(absent).rejects.toMatchObject({ status: 404, reason: 'NotFound' })
    })

    test('JSON Patch: items of lists are counted', async () => {
      await using subject = await makeSubject()
      const { api } = subject
      const { deployments } = kindsIn(subject.namespace)
      await api.create(deployments, deployment('one', { env: { A: '1' } }))
      const env = '/spec/template/spec/containers/0/env'
      const patched = await api.patch(deployments, 'one', [
        { op: 'add', path: `${env}/-`, value: { name: 'B', value: '2' } },
        { op: 'replace', path: `${env}/0/value`, value: '3' },
      ])
      expect(specOf(patched).template.spec.containers[0].env).toEqual([
        { name: 'A', value: '3' },
        { name: 'B', value: '2' },
      ])
    })

    test('merge patch: mappings are merged, null removes, lists are replaced', async () => {
      await using subject = await makeSubject()
      const { api } = subject
      const { configMaps, deployments } = kindsIn(subject.namespace)
      const first = await api.create(configMaps, configMap('one', { a: '1', b: '2' }))
      const merged = await api.merge(configMaps, 'one', {
        data: { a: null, c: '3' },
        metadata: { labels: { app: 'x' } },
      })
      expect(dataOf(merged)).toEqual({ b: '2', c: '3' })
      expect(merged.metadata.labels).toEqual({ app: 'x' })
      const late = api.merge(configMaps, 'one', { metadata: { resourceVersion: versionOf(first) }, data: { d: '4' } })
      await expect(late).rejects.toMatchObject({ status: 409, reason: 'Conflict' })
      await expect(api.merge(configMaps, 'other', { data: {} })).rejects.toMatchObject({
        status: 404,
        reason: 'NotFound',
      })
      await api.create(deployments, deployment('one', { env: { A: '1' } }))
      const containers = [{ name: 'main', image: 'localhost/none:2' }]
      const replaced = await api.merge(deployments, 'one', { spec: { template: { spec: { containers } } } })
      expect(specOf(replaced).template.spec.containers[0].image).toBe('localhost/none:2')
      expect(specOf(replaced).template.spec.containers[0].env).toBeUndefined()
    })

    test('lists are those that the selectors match, by name', async () => {
      await using subject = await makeSubject()
      const { api } = subject
      const { configMaps } = kindsIn(subject.namespace)
      const rows: [string, Data][] = [
        ['c', { app: 'x', part: 'head' }],
        ['a', { app: 'x', part: 'page' }],
        ['b', { app: 'y' }],
        ['d', {}],
      ]
      for (const [one, labels] of rows) await api.create(configMaps, configMap(one, {}, { labels }))
      const expected: Record<string, string[]> = {
        'app=x': ['a', 'c'],
        'app==x,part=head': ['c'],
        'app!=x': ['b', 'd'],
        'app in (x, y),part notin (page)': ['b', 'c'],
        part: ['a', 'c'],
        '!app': ['d'],
      }
      for (const [labelSelector, wanted] of Object.entries(expected)) {
        const { items } = await api.list(configMaps, { labelSelector })
        expect(names(items.filter(isOurs)), labelSelector).toEqual(wanted)
        for (const item of items) expect(item).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' })
      }
      expect(names((await api.list(configMaps, { fieldSelector: 'metadata.name=b' })).items)).toEqual(['b'])
    })

    test('a list comes in pages when it is asked to', async () => {
      await using subject = await makeSubject()
      const { api, namespace } = subject
      const { configMaps } = kindsIn(namespace)
      for (const one of ['a', 'b', 'c']) await api.create(configMaps, configMap(one, {}, { labels: { app: 'x' } }))
      const path = `/api/v1/namespaces/${namespace}/configmaps?labelSelector=app%3Dx&limit=2`
      const first = JSON.parse((await api.request(path)).body)
      expect(names(first.items)).toEqual(['a', 'b'])
      const proceed = encodeURIComponent(first.metadata.continue)
      const second = JSON.parse((await api.request(`${path}&continue=${proceed}`)).body)
      expect(names(second.items)).toEqual(['c'])
      expect(second.metadata.continue ?? '').toBe('')
      expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion)
    })

    test('a list may be of names and labels alone', async () => {
      await using subject = await makeSubject()
      const { api, namespace } = subject
      const { configMaps } = kindsIn(namespace)
      const accept = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json'
      const path = `/api/v1/namespaces/${namespace}/configmaps?labelSelector=app%3Dx`
      const list = async () => JSON.parse((await api.request(path, { headers: { accept } })).body)
      expect(await list()).toMatchObject({ kind: 'PartialObjectMetadataList', items: null })
      await api.create(configMaps, configMap('one', { key: '1' }, { labels: { app: 'x' } }))
      const { items } = await list()
      expect(items).toMatchObject([{ metadata: { name: 'one', labels: { app: 'x' } } }])
      expect(items[0].data).toBeUndefined()
    })

    test('a watch from a list sees what comes after it, in order', async () => {
      await using subject = await makeSubject()
      const { api } = subject
      const { configMaps } = kindsIn(subject.namespace)
      await api.create(configMaps, configMap('before'))
      const { resourceVersion } = await api.list(configMaps)
      await using watched = following(api, configMaps, resourceVersion)
      const made = await api.create(configMaps, configMap('one', { key: '1' }))
      const changed = await api.merge(configMaps, 'one', { data: { key: '2' } })
      await api.delete(configMaps, 'one')
      const wanted = ['ADDED one', 'MODIFIED one', 'DELETED one']
      await until('all three events', () => watched.seen().filter((text) => text.endsWith('one')).length === 3)
      expect(watched.seen().filter((text) => !text.includes('kube-root'))).toEqual(wanted)
      const [added, modified] = watched.events.filter(({ object }) => object.metadata.name === 'one')
      expect(added!.object).toEqual(made)
      expect(modified!.object).toEqual(changed)
      // Resumed, it goes on behind the event that was seen last.
      await using resumed = following(api, configMaps, versionOf(added!.object))
      await until('the rest of the events', () => resumed.seen().filter((text) => text.endsWith('one')).length === 2)
      expect(resumed.seen().filter((text) => text.endsWith('one'))).toEqual(wanted.slice(1))
    })

    test('a watch with a selector sees objects come and go as they match', async () => {
      await using subject = await makeSubject()
      const { api } = subject
      const { configMaps } = kindsIn(subject.namespace)
      const { resourceVersion } = await api.list(configMaps)
      await using watched = following(api, configMaps, resourceVersion, 'app=x')
      await api.create(configMaps, configMap('other'))
      await api.create(configMaps, configMap('one'))
      await api.merge(configMaps, 'one', { metadata: { labels: { app: 'x' } } })
      await api.merge(configMaps, 'one', { metadata: { labels: { app: 'y' } } })
      await api.delete(configMaps, 'one')
      await api.create(configMaps, configMap('last', {}, { labels: { app: 'x' } }))
      await until('the last event', () => watched.seen().includes('ADDED last'))
      expect(watched.seen()).toEqual(['ADDED one', 'DELETED one', 'ADDED last'])
    })

    test('a watch that was asked to says how far it has come', { timeout: 120_000 }, async () => {
      await using subject = await makeSubject()
      const { api, namespace, bookmarkSeconds } = subject
      const { configMaps } = kindsIn(namespace)
      const { resourceVersion } = await api.list(configMaps)
      const query = `watch=true&allowWatchBookmarks=true&timeoutSeconds=${bookmarkSeconds}&labelSelector=app%3Dnone&resourceVersion=${resourceVersion}`
      const { status, body } = await api.request(`/api/v1/namespaces/${namespace}/configmaps?${query}`, {
        timeoutMs: bookmarkSeconds * 1000 + 20_000,
      })
      expect(status).toBe(200)
      const [bookmark] = body
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(bookmark).toMatchObject({ type: 'BOOKMARK', object: { kind: 'ConfigMap', apiVersion: 'v1' } })
      expect(BigInt(bookmark.object.metadata.resourceVersion)).toBeGreaterThanOrEqual(BigInt(resourceVersion))
    })

    test('a watch from a version that is too old is told so', async (context) => {
      await using subject = await makeSubject()
      if (typeof subject.forget === 'string') return context.skip(subject.forget)
      const { configMaps } = kindsIn(subject.namespace)
      const { resourceVersion } = await subject.api.list(configMaps)
      await subject.api.create(configMaps, configMap('one'))
      subject.forget()
      const { signal } = new AbortController()
      const first = subject.api.watch(configMaps, resourceVersion, {}, signal)[Symbol.asyncIterator]().next()
      await expect(first).rejects.toMatchObject({ status: 410, reason: 'Expired' })
    })

    test('apply: makes what is not there, and leaves what others wrote', async () => {
      await using subject = await makeSubject()
      const { api } = subject
      const { configMaps } = kindsIn(subject.namespace)
      const ours = { fieldManager: 'moodify' }
      const made = await api.apply(configMaps, configMap('one', { a: '1' }), ours)
      expect(made.metadata.managedFields).toMatchObject([{ manager: 'moodify', operation: 'Apply' }])
      await api.apply(configMaps, configMap('one', { b: '2' }), { fieldManager: 'other' })
      expect(dataOf(await api.get(configMaps, 'one'))).toEqual({ a: '1', b: '2' })
      const again = await api.apply(configMaps, configMap('one', { a: '3' }), ours)
      expect(dataOf(again)).toEqual({ a: '3', b: '2' })
    })

    test('apply: what a manager no longer names goes, unless somebody else names it', async () => {
      await using subject = await makeSubject()
      const { api } = subject
      const { configMaps } = kindsIn(subject.namespace)
      await api.apply(configMaps, configMap('one', { a: '1', b: '2', c: '3' }), { fieldManager: 'moodify' })
      await api.apply(configMaps, configMap('one', { b: '2' }), { fieldManager: 'other' })
      const left = await api.apply(configMaps, configMap('one', { c: '3' }), { fieldManager: 'moodify' })
      expect(dataOf(left)).toEqual({ b: '2', c: '3' })
    })

    test('apply: another value for a field of somebody else is a conflict, until it is forced', async () => {
      await using subject = await makeSubject()
      const { api } = subject
      const { configMaps } = kindsIn(subject.namespace)
      await api.apply(configMaps, configMap('one', { a: '1' }), { fieldManager: 'other' })
      const refused = api.apply(configMaps, configMap('one', { a: '2' }), { fieldManager: 'moodify' })
      await expect(refused).rejects.toMatchObject({
        status: 409,
        reason: 'Conflict',
        message: 'Apply failed with 1 conflict: conflict with "other": .data.a',
      })
      expect(dataOf(await api.get(configMaps, 'one'))).toEqual({ a: '1' })
      await api.apply(configMaps, configMap('one', { a: '2' }), { fieldManager: 'moodify', force: true })
      const lost = api.apply(configMaps, configMap('one', { a: '1' }), { fieldManager: 'other' })
      await expect(lost).rejects.toMatchObject({ status: 409, message: expect.stringContaining('"moodify": .data.a') })
    })

    test('apply: what was changed by another kind of write is a conflict too', async () => {
      await using subject = await makeSubject()
      const { api } = subject
      const { configMaps } = kindsIn(subject.namespace)
      await api.apply(configMaps, configMap('one', { a: '1', b: '1' }), { fieldManager: 'moodify' })
      await api.merge(configMaps, 'one', { data: { a: 'by hand' } })
      const again = api.apply(configMaps, configMap('one', { a: '1', b: '1' }), { fieldManager: 'moodify' })
      await expect(again).rejects.toMatchObject({
        status: 409,
        reason: 'Conflict',
        message: expect.stringContaining('.data.a'),
      })
      const forced = await api.apply(configMaps, configMap('one', { a: '1', b: '1' }), {
        fieldManager: 'moodify',
        force: true,
      })
      expect(dataOf(forced)).toEqual({ a: '1', b: '1' })
    })

    test('apply: containers and their variables belong to whoever names them', async () => {
      await using subject = await makeSubject()
      const { api } = subject
      const { deployments } = kindsIn(subject.namespace)
      await api.apply(deployments, deployment('one', { env: { A: '1' } }), { fieldManager: 'moodify' })
      const variable = { name: 'main', env: [{ name: 'B', value: '2' }] }
      const theirs = {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'one' },
        spec: { template: { spec: { containers: [variable] } } },
      }
      await api.apply(deployments, theirs, { fieldManager: 'other' })
      const ours = await api.apply(deployments, deployment('one', { image: 'localhost/none:2' }), {
        fieldManager: 'moodify',
      })
      const [container] = specOf(ours).template.spec.containers
      expect(container).toMatchObject({ name: 'main', image: 'localhost/none:2', env: [{ name: 'B', value: '2' }] })
      expect(container.env).toHaveLength(1)
      const retagged = { ...variable, env: [], image: 'localhost/none:3' }
      const contested = { ...theirs, spec: { template: { spec: { containers: [retagged] } } } }
      await expect(api.apply(deployments, contested, { fieldManager: 'other' })).rejects.toMatchObject({
        status: 409,
        message: expect.stringContaining('.spec.template.spec.containers[name="main"].image'),
      })
    })

    test('apply: a dry run answers what would be, and stores nothing', async () => {
      await using subject = await makeSubject()
      const { api } = subject
      const { configMaps } = kindsIn(subject.namespace)
      const dry = { fieldManager: 'moodify', dryRun: true }
      expect(dataOf(await api.apply(configMaps, configMap('one', { a: '1' }), dry))).toEqual({ a: '1' })
      expect(await api.get(configMaps, 'one')).toBe(null)
    })

    test('the generation counts changes of the spec', async () => {
      await using subject = await makeSubject()
      const { api } = subject
      const { deployments } = kindsIn(subject.namespace)
      const made = await api.create(deployments, deployment('one'))
      expect(made.metadata.generation).toBe(1)
      const labelled = await api.merge(deployments, 'one', {
        metadata: { labels: { app: 'x' } },
        status: { replicas: 7 },
      })
      expect(labelled.metadata.generation).toBe(1)
      expect((labelled['status'] as { replicas?: number } | undefined)?.replicas).not.toBe(7)
      const image = {
        op: 'replace',
        path: '/spec/template/spec/containers/0/image',
        value: 'localhost/none:2',
      } as const
      expect((await api.patch(deployments, 'one', [image])).metadata.generation).toBe(2)
      const selector = api.patch(deployments, 'one', [
        { op: 'replace', path: '/spec/selector/matchLabels/app', value: 'two' },
        { op: 'replace', path: '/spec/template/metadata/labels/app', value: 'two' },
      ])
      await expect(selector).rejects.toMatchObject({
        status: 422,
        reason: 'Invalid',
        message: expect.stringContaining('immutable'),
      })
    })

    test('what was deleted is gone, and deleting it again changes nothing', async () => {
      await using subject = await makeSubject()
      const { api } = subject
      const { configMaps, leases } = kindsIn(subject.namespace)
      await api.create(configMaps, configMap('one'))
      await api.delete(configMaps, 'one')
      await api.delete(configMaps, 'one')
      expect(await api.get(configMaps, 'one')).toBe(null)
      const again = await api.create(configMaps, configMap('one'))
      expect(again.metadata.name).toBe('one')
      const spec = { holderIdentity: 'pid 1 on here', leaseDurationSeconds: 15 }
      const lease = await api.create(leases, {
        apiVersion: leases.apiVersion,
        kind: 'Lease',
        metadata: { name: 'one' },
        spec,
      })
      const renewed = await api.replace(leases, { ...lease, spec: { ...spec, holderIdentity: 'pid 2 on there' } })
      expect(specOf(renewed).holderIdentity).toBe('pid 2 on there')
    })

    test('it says which version it is', async () => {
      await using subject = await makeSubject()
      const { status, body } = await subject.api.request('/version')
      expect(status).toBe(200)
      expect(JSON.parse(body)).toMatchObject({ major: '1', gitVersion: expect.stringMatching(/^v1\./) })
    })
  })
}
