import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { logBeta, logGamma } from '../../src/analysis/numerics/gamma.ts'
import { logIncompleteBeta } from '../../src/analysis/numerics/incomplete-beta.ts'
import { logSumExp } from '../../src/analysis/numerics/log-sum.ts'
import { seeded } from './support.ts'

// Reference values to 20 digits: mpmath 1.3 with 60 digits.

function expectClose(actual: number, expected: number, relative = 1e-13): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(relative * Math.max(1, Math.abs(expected)))
}

describe('logarithms of gamma and beta', () => {
  test.each([
    [0.15, 1.8278137762148343],
    [0.5, 0.5723649429247001],
    [1, 0],
    [9.99, 12.779315214350193],
    [10.5, 13.940625219403763],
    [800.15, 4546.268731030405],
    [1e9, 19723265827.503716],
  ])('lnΓ(%s)', (x, expected) => expectClose(logGamma(x), expected))

  test.each([
    [0.15, 1, 1.8971199848858813],
    [0.5, 800.5, -2.770097170899091],
    [3, 4, -4.0943445622221],
    [10, 10, -13.736229227036555],
    [12.5, 1e6, -153.9596063373295],
    [1e9, 1e9, -1386294370.2160115],
    [0.15, 1e9, -1.2806760992633772],
    [1_000_001, 999_000_000, -7907268.008303778],
  ])('ln B(%s, %s)', (a, b, expected) => {
    expectClose(logBeta(a, b), expected)
    expect(logBeta(b, a)).toBe(logBeta(a, b))
  })

  test('obey their recurrences', () => {
    const positive = fc.double({ min: 0.01, max: 1e6, noNaN: true })
    fc.assert(
      fc.property(positive, positive, (a, b) => {
        expectClose(logGamma(a + 1), logGamma(a) + Math.log(a), 1e-12)
        expectClose(logBeta(a + 1, b), logBeta(a, b) + Math.log(a / (a + b)), 1e-9)
      }),
      seeded(500),
    )
  })
})

describe('the logarithm of the incomplete beta function', () => {
  test.each([
    [0.95, 4, 1, -0.20517317755020215],
    [0.95, 981.15, 20.85, -14.257626469724826],
    [0.95, 19_001, 1201, -1.0949183257866749e-9],
    [0.5, 3, 200, -3.189917631431621e-57],
    [0.99, 2, 0.5, -0.1619308671462206],
    [0.1, 0.5, 30, -0.012358501153908028],
  ])('at %s of %s and %s', (x, a, b, expected) => {
    expectClose(logIncompleteBeta(x, a, b), expected, 1e-12)
    if (expected > -1e-3) expect(logIncompleteBeta(x, a, b) / expected).toBeCloseTo(1, 6)
  })

  test('is the power where one parameter is 1', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-6, max: 0.999999, noNaN: true }),
        fc.double({ min: 0.1, max: 1e6, noNaN: true }),
        (x, a) => {
          expectClose(logIncompleteBeta(x, a, 1), a * Math.log(x), 1e-10)
        },
      ),
      seeded(300),
    )
  })

  test('and its mirror image share the whole', () => {
    const parameter = fc.double({ min: 0.2, max: 1e4, noNaN: true })
    fc.assert(
      fc.property(fc.double({ min: 0.001, max: 0.999, noNaN: true }), parameter, parameter, (x, a, b) => {
        const whole = Math.exp(logIncompleteBeta(x, a, b)) + Math.exp(logIncompleteBeta(1 - x, b, a))
        expect(whole).toBeCloseTo(1, 10)
      }),
      seeded(300),
    )
  })

  test('is finite and not above 0 for counts to a billion', () => {
    const parameter = fc.oneof(fc.integer({ min: 1, max: 1_000_000_000 }), fc.integer({ min: 1, max: 1000 }))
    const limit = fc.constantFrom(0.001, 0.01, 0.05, 0.5, 0.95, 0.999)
    fc.assert(
      fc.property(limit, parameter, parameter, (x, a, b) => {
        const log = logIncompleteBeta(x, a, b)
        expect(log).toBeLessThanOrEqual(0)
        expect(log).toBeGreaterThan(Number.NEGATIVE_INFINITY)
      }),
      seeded(300),
    )
  })
})

test('a sum of exponentials neither overflows nor underflows', () => {
  expect(logSumExp([1e9, 1e9])).toBe(1e9 + Math.LN2)
  expect(logSumExp([-1e9, -1e9])).toBe(-1e9 + Math.LN2)
  expect(logSumExp([])).toBe(Number.NEGATIVE_INFINITY)
})
