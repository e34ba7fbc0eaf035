import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Exchange, InFlight } from '../../src/effects/local/front/in-flight.ts'

test('in flight: whoever comes and goes in whatever order, those there are those who came and have not gone', () => {
  const members: Exchange[] = Array.from({ length: 8 }, () => ({ pinned: false, cut() {} }))
  fc.assert(
    fc.property(fc.array(fc.nat(members.length - 1)), (touched) => {
      const list = new InFlight()
      const model = new Set<Exchange>()
      for (const member of touched.map((index) => members[index]!)) {
        if (model.delete(member)) list.delete(member)
        else {
          model.add(member)
          list.add(member)
        }
        expect(new Set(list)).toEqual(model)
        expect(list.size).toBe(model.size)
      }
      for (const member of members) {
        list.delete(member)
        list.delete(member)
      }
      expect(list.size).toBe(0)
    }),
    { seed: 20260405 },
  )
})
