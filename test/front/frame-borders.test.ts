import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameBorders } from '../../src/effects/local/front/frame-borders.ts'

function frame({ length, masked }: { length: number; masked: boolean }): Buffer {
  const mask = masked ? 0x80 : 0
  const short = length < 126 ? length : length < 65_536 ? 126 : 127
  const head = [Buffer.from([0x82, mask | short])]
  if (short === 126) head.push(Buffer.from([length >> 8, length & 255]))
  if (short === 127) {
    const long = Buffer.alloc(8)
    long.writeBigUInt64BE(BigInt(length))
    head.push(long)
  }
  if (masked) head.push(Buffer.from([1, 2, 3, 4]))
  return Buffer.concat([...head, Buffer.alloc(length, 0xff)])
}

const frames = fc.array(
  fc.record({ length: fc.oneof(fc.nat(130), fc.constantFrom(125, 126, 65_535, 65_536)), masked: fc.boolean() }),
  { minLength: 1, maxLength: 4 },
)

test('frame borders: the first border of every chunk is found, however the bytes are cut up', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1 }), (shapes, sizes) => {
      const encoded = shapes.map(frame)
      const all = Buffer.concat(encoded)
      const ends = encoded.map((_, index) => Buffer.concat(encoded.slice(0, index + 1)).length)
      const borders = new FrameBorders()
      let offset = 0
      for (let i = 0; offset < all.length; i++) {
        const chunk = all.subarray(offset, offset + sizes[i % sizes.length]!)
        const expected = ends.find((end) => end > offset && end <= offset + chunk.length)
        expect(borders.follow(chunk)).toBe(expected === undefined ? -1 : expected - offset)
        offset += chunk.length
        expect(borders.atBorder).toBe(ends.includes(offset))
      }
    }),
    { seed: 1, numRuns: 200 },
  )
})
