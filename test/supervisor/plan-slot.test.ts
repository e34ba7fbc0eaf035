import { describe, expect, test } from 'vitest'
import { planSlot, type ReplicaView } from '../../src/effects/local/supervisor/plan-slot.ts'

function replica(id: string, revision: string, change: Partial<ReplicaView> = {}): ReplicaView {
  return { id, revision, ending: false, ready: true, readyMs: 60_000, failing: false, ...change }
}
const starting = { ready: false, readyMs: 0 }

describe('apply', () => {
  const wish = { revision: 'new', replicas: 2, minReadyMs: null }

  test('plan of a slot: what is missing is started and what runs something else is ended', () => {
    const plan = planSlot(wish, [replica('a', 'old'), replica('b', 'new')])
    expect(plan).toEqual({ start: 1, end: ['a'], wakeInMs: null })
  })

  test('plan of a slot: of too many replicas the least useful one goes', () => {
    const plan = planSlot(wish, [replica('a', 'new'), replica('b', 'new', starting), replica('c', 'new')])
    expect(plan).toEqual({ start: 0, end: ['b'], wakeInMs: null })
  })

  test('plan of a slot: one that is ending counts for nothing', () => {
    const plan = planSlot(wish, [replica('a', 'new', { ending: true }), replica('b', 'old', { ending: true })])
    expect(plan).toEqual({ start: 2, end: [], wakeInMs: null })
  })

  test('plan of a slot: a retired slot ends all', () => {
    const plan = planSlot({ revision: null, replicas: 0, minReadyMs: null }, [replica('a', 'new'), replica('b', 'old')])
    expect(plan).toEqual({ start: 0, end: ['a', 'b'], wakeInMs: null })
  })
})

describe('roll', () => {
  const wish = { revision: 'new', replicas: 2, minReadyMs: 1000 }
  const old = [replica('a', 'old'), replica('b', 'old')]

  test('plan of a roll: one new replica more than wished is started, and none ended', () => {
    expect(planSlot(wish, old)).toEqual({ start: 1, end: [], wakeInMs: null })
  })

  test('plan of a roll: nothing happens until the new one has been ready for long enough', () => {
    expect(planSlot(wish, [...old, replica('c', 'new', starting)])).toEqual({ start: 0, end: [], wakeInMs: null })
    const young = replica('c', 'new', { readyMs: 400 })
    expect(planSlot(wish, [...old, young])).toEqual({ start: 0, end: [], wakeInMs: 600 })
  })

  test('plan of a roll: then one old one goes and the next new one starts', () => {
    expect(planSlot(wish, [...old, replica('c', 'new')])).toEqual({ start: 1, end: ['a'], wakeInMs: null })
  })

  test('plan of a roll: the last old one goes when all new ones are available', () => {
    const plan = planSlot(wish, [replica('b', 'old'), replica('c', 'new'), replica('d', 'new')])
    expect(plan).toEqual({ start: 0, end: ['b'], wakeInMs: null })
  })

  test('plan of a roll: a failing old one makes room, one that is just starting does not', () => {
    const failing = replica('b', 'old', { ...starting, failing: true })
    expect(planSlot(wish, [replica('a', 'old'), failing])).toEqual({ start: 2, end: ['b'], wakeInMs: null })
    const young = replica('b', 'old', starting)
    expect(planSlot(wish, [replica('a', 'old'), young])).toEqual({ start: 1, end: [], wakeInMs: null })
  })

  test('plan of a roll: back to the revision that still runs, the half-rolled one goes at once where it fails', () => {
    const failing = replica('c', 'new', { ...starting, failing: true })
    const plan = planSlot({ ...wish, revision: 'old' }, [...old, failing])
    expect(plan).toEqual({ start: 0, end: ['c'], wakeInMs: null })
  })

  test('plan of a roll: it always ends with the wished replicas and never goes below them', () => {
    for (let wished = 1; wished <= 5; wished++) expect(rollThrough(wished)).toEqual({ least: wished, most: wished + 1 })
  })
})

/** Rolls a whole slot in which whatever is started is available before the next look. */
function rollThrough(wished: number): { least: number; most: number } {
  let replicas = Array.from({ length: wished }, (_, index) => replica(`old-${index}`, 'old'))
  let [least, most] = [wished, wished]
  for (let round = 0; replicas.some(({ revision }) => revision === 'old') || replicas.length !== wished; round++) {
    expect(round).toBeLessThan(20)
    const { start, end } = planSlot({ revision: 'new', replicas: wished, minReadyMs: 0 }, replicas)
    replicas = replicas.filter(({ id }) => !end.includes(id))
    least = Math.min(least, replicas.length)
    for (let number = 0; number < start; number++) replicas.push(replica(`new-${round}-${number}`, 'new'))
    most = Math.max(most, replicas.length)
  }
  return { least, most }
}
