import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { InvariantError, OperatingError } from '../../src/errors/catalogue.ts'
import { errorText, writeBugReport } from '../../src/views/cli/errors-text.ts'
import { plain } from './samples.ts'

const folder = mkdtempSync(join(tmpdir(), 'reports-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('an operating error', () => {
  const error = new OperatingError('UNKNOWN_VERSION', 'no tag, commit or folder v9', 'git tag --list')

  it('says what happened, what state production is in, and what to type next', () => {
    expect(errorText(error, { production: 'v1.0.0 serves everything; no release is running', style: plain })).toBe(
      [
        'error UNKNOWN_VERSION: no tag, commit or folder v9',
        'state: v1.0.0 serves everything; no release is running',
        'next: git tag --list',
      ].join('\n'),
    )
  })

  it('leaves out what is not known', () => {
    const bare = new OperatingError('CONFIG_NOT_FOUND', 'no moodify.yaml')
    expect(errorText(bare, { production: null, style: plain })).toBe('error CONFIG_NOT_FOUND: no moodify.yaml')
  })
})

describe('a bug', () => {
  const error = new InvariantError('cursor 5 of 4 steps')

  it('names its report and the state of production', () => {
    const text = errorText(error, { production: 'v1.0.0 serves everything', style: plain, report: '/tmp/bug.txt' })
    expect(text).toBe(
      [
        'internal error: cursor 5 of 4 steps',
        'a report was written to /tmp/bug.txt',
        'production: v1.0.0 serves everything',
      ].join('\n'),
    )
  })

  it('without a report prints its stack, so that nothing is lost', () => {
    const text = errorText(error, { production: null, style: plain, report: null })
    expect(text).toContain('InvariantError: cursor 5 of 4 steps\n    at ')
    expect(text).toContain('production: not known; moodify status shows it')
  })
})

describe('a bug report', () => {
  const facts = { version: '0.1.0', argv: ['deploy', '-v', 'v1'], env: {} }

  it('has stack, cause, versions and command line, for its owner only', () => {
    const error = new Error('outer', { cause: new TypeError('inner') })
    const file = writeBugReport(error, join(folder, 'new'), facts)!
    const text = readFileSync(file, 'utf8')
    expect(text).toContain(`moodify 0.1.0 on Node ${process.version}`)
    expect(text).toContain('typed: moodify deploy -v v1\n')
    expect(text).toMatch(/Error: outer\n {4}at .*errors-text\.test\.ts/)
    expect(text).toContain('TypeError: inner')
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('holds no secret', () => {
    const argv = ['deploy', '--token', 'abc123', '--api-key=def456', 'https://user:ghi789@host/x', '--note', 'kept']
    const error = new Error('Authorization: Bearer jkl012 refused; DB_PASSWORD=mno345; sent pqr678-from-env')
    const env = { DEPLOY_SECRET: 'pqr678-from-env', HOME: '/home/ana' }
    const text = readFileSync(writeBugReport(error, folder, { ...facts, argv, env })!, 'utf8')
    for (const secret of ['abc123', 'def456', 'ghi789', 'jkl012', 'mno345', 'pqr678'])
      expect(text).not.toContain(secret)
    expect(text).toContain('--token *** --api-key=*** https://***@host/x --note kept')
  })

  it('that cannot be written is null, never an error of its own', () => {
    const file = join(folder, 'a-file')
    writeFileSync(file, '')
    expect(writeBugReport(new Error('x'), join(file, 'below'), facts)).toBe(null)
    const hostile = new Proxy(
      {},
      {
        get: () => {
          throw new Error('even looking at it fails')
        },
      },
    )
    expect(() => writeBugReport(hostile, folder, facts)).not.toThrow()
  })

  it('takes whatever was thrown', () => {
    expect(readFileSync(writeBugReport('just text', folder, facts)!, 'utf8')).toContain('just text')
  })
})
