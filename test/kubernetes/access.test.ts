import { expect, test } from 'vitest'
import { accessFindings, rights } from '../../src/effects/kubernetes/access.ts'
import type { Api, KubernetesObject } from '../../src/effects/kubernetes/api.ts'
import { at, objectsOf } from './assets.ts'

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

const byName = (a: string, b: string) => a.localeCompare(b)

test('what is asked for is what the shipped Role gives, verb by verb', () => {
  const role = objectsOf('common/rbac.yaml').find(({ kind }) => kind === 'Role')!
  const given = (at(role, 'rules') as Rule[]).flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`))),
  )
  const asked = rights.flatMap(({ group, resource, subresource, verbs }) =>
    verbs.map((verb) => `${verb} ${group}/${subresource ? `${resource}/${subresource}` : resource}`),
  )
  expect(asked.toSorted(byName)).toEqual(given.toSorted(byName))
})

/** An API server that refuses what these say. */
function server(...refused: readonly RegExp[]): Api {
  return {
    async create(_: unknown, review: KubernetesObject) {
      const { verb, group, resource, subresource, namespace } = at(review, 'spec.resourceAttributes')
      expect(namespace).toBe('shop')
      const asked = `${verb} ${group}/${resource}${subresource ? `/${subresource}` : ''}`
      return { ...review, status: { allowed: !refused.some((each) => each.test(asked)) } }
    },
  } as unknown as Api
}

test('all that is allowed is one finding', async () => {
  expect(await accessFindings(server(), 'shop')).toEqual([{ level: 'ok', what: 'all rights are there in shop' }])
})

test('what is refused is named, with the verbs of it and the command that mends it', async () => {
  const refusing = server(/^(create|patch) apps\/deployments$/, /pods\/proxy$/, /^patch .*httproutes/)
  const findings = await accessFindings(refusing, 'shop')
  expect(findings.map(({ level, what }) => `${level}: ${what}`)).toEqual([
    'failure: no right to create, patch apps/deployments in shop',
    'warning: no right to patch gateway.networking.k8s.io/httproutes in shop: traffic cannot go by them',
    'failure: no right to get, create, update, patch, delete pods/proxy in shop',
  ])
  expect(findings[0]!.next).toContain('kubernetes/common/rbac.yaml')
})
