import { expect, test } from 'vitest'
import { differences } from '../../src/effects/kubernetes/differences.ts'

const deployment = (image: string, rest: object = {}) => ({
  metadata: { name: 'a', resourceVersion: image, generation: image.length },
  spec: {
    replicas: 3,
    template: {
      containers: [
        { name: 'backend', image },
        { name: 'other', image: 'o:1' },
      ],
    },
    ...rest,
  },
  status: { image },
})

test('a field that differs is named by its path, an element of a list by its name', () =>
  expect(differences(deployment('b:1'), deployment('b:2'))).toEqual([
    { path: 'spec.template.containers[backend].image', before: 'b:1', after: 'b:2' },
  ]))

test('what the API server keeps for itself is no difference', () =>
  expect(differences(deployment('b:1'), { ...deployment('b:1'), status: {}, metadata: { name: 'a' } })).toEqual([]))

test('a field that comes or goes has nothing on the other side', () => {
  const added = { path: 'spec.paused', before: undefined, after: true }
  expect(differences(deployment('b:1'), deployment('b:1', { paused: true }))).toEqual([added])
  const gone = { path: 'spec.paused', before: true, after: undefined }
  expect(differences(deployment('b:1', { paused: true }), deployment('b:1'))).toEqual([gone])
})

test('elements without a name go by their place', () =>
  expect(differences({ args: ['a', 'b'] }, { args: ['a', 'c'] })).toEqual([
    { path: 'args[1]', before: 'b', after: 'c' },
  ]))
