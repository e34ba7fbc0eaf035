import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { InvariantError } from '../../src/errors/catalogue.ts'
import { confirm } from '../../src/views/cli/ask.ts'

function terminal() {
  const input = Object.assign(new PassThrough(), { isTTY: true })
  const output = Object.assign(new PassThrough(), { isTTY: true, columns: 80 })
  output.setEncoding('utf8')
  return { input, output }
}

async function answer(typed: string): Promise<{ yes: boolean; shown: string }> {
  const { input, output } = terminal()
  const asked = confirm('Take v1.1.0 back?', { input, output })
  input.write(typed)
  const yes = await asked
  return { yes, shown: String(output.read()) }
}

describe('a question', () => {
  it.each([
    ['y\n', true],
    [' YES \n', true],
    ['\n', false],
    ['n\n', false],
    ['yesterday\n', false],
    ['\u0003', false],
    ['\u0004', false],
  ])('answered with %j is %s', async (typed, expected) => {
    expect((await answer(typed)).yes).toBe(expected)
  })

  it('shows that no is the answer to an empty line', async () => {
    expect((await answer('\n')).shown).toContain('Take v1.1.0 back? [y/N] ')
  })

  it('whose terminal goes away means no', async () => {
    const { input, output } = terminal()
    const asked = confirm('Go on?', { input, output })
    input.end()
    expect(await asked).toBe(false)
  })

  it('is never asked where nobody can answer', async () => {
    const input = new PassThrough()
    await expect(confirm('Go on?', { input, output: new PassThrough() })).rejects.toThrow(InvariantError)
  })
})
