import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { type CompletionSpec, completionScript, type Shell } from '../../src/views/cli/completion.ts'

const spec: CompletionSpec = {
  commands: [
    {
      name: 'deploy',
      description: "ship a version; it's judged [always]: yes",
      options: [
        { flags: '-e, --environment <name>', description: 'environment', values: ['production', 'staging'] },
        { flags: '-s, --strategy <name>', description: 'how: a choice', values: ['canary', 'blue-green'] },
        { flags: '-v, --version <version>', description: 'git tag' },
        { flags: '--dry-run', description: 'print the plan' },
      ],
    },
    { name: 'down', description: 'end the platform', options: [{ flags: '-y, --yes', description: 'do not ask' }] },
    { name: 'completion', description: 'print a script', options: [], values: ['bash', 'zsh', 'fish'] },
  ],
}

const folder = mkdtempSync(join(tmpdir(), 'completion-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function scriptFile(shell: Shell, from = spec): string {
  const file = join(folder, `moodify.${shell}`)
  writeFileSync(file, completionScript(shell, from))
  return file
}

function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', cwd: folder })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout.trim()
}

const has = (shell: string) => spawnSync(shell, ['-c', 'exit 0']).status === 0

describe('completion: bash', () => {
  /** What bash offers for these words, the last of which is being typed. */
  function complete(...words: string[]): string[] {
    const quoted = words.map((word) => `'${word}'`).join(' ')
    const script = `source "$0"; COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _moodify; echo "\${COMPREPLY[*]}"`
    return run('bash', ['-c', script, scriptFile('bash')])
      .split(' ')
      .filter(Boolean)
  }

  it('the script has no syntax error and registers itself', () => {
    run('bash', ['-n', scriptFile('bash')])
    expect(run('bash', ['-c', 'source "$0"; complete -p moodify', scriptFile('bash')])).toBe(
      'complete -F _moodify moodify',
    )
  })

  it.each([
    [
      ['moodify', ''],
      ['deploy', 'down', 'completion'],
    ],
    [
      ['moodify', 'd'],
      ['deploy', 'down'],
    ],
    [['moodify', 'deploy', '--d'], ['--dry-run']],
    [
      ['moodify', 'deploy', '-e', ''],
      ['production', 'staging'],
    ],
    [['moodify', 'deploy', '--strategy', 'b'], ['blue-green']],
    [
      ['moodify', 'deploy', '--strategy', '='],
      ['canary', 'blue-green'],
    ],
    [['moodify', 'deploy', '--strategy', '=', 'c'], ['canary']],
    [['moodify', 'deploy', '-v', ''], []],
    [['moodify', 'deploy', '-v', 'v1.0.0', '--e'], ['--environment']],
    [['moodify', 'completion', 'f'], ['fish']],
    [
      ['moodify', 'down', ''],
      ['-y', '--yes', '-h', '--help'],
    ],
    [['moodify', 'unknown', ''], []],
  ])('%j offers %j', (words, expected) => {
    expect(complete(...words)).toEqual(expected)
  })

  it('leaves out values that a shell would read as more than a word', () => {
    const values = ['fine', '$(touch owned)', 'two words', "quote'"]
    const options = [{ flags: '-e, --environment <name>', description: 'x', values }]
    const script = completionScript('bash', { commands: [{ name: 'deploy', description: 'x', options }] })
    expect(script).toContain("words='fine'")
    expect(script).not.toContain('touch')
  })
})

describe('completion: zsh', () => {
  it.skipIf(!has('zsh'))('the script has no syntax error', () => {
    run('zsh', ['-n', scriptFile('zsh')])
  })

  it('has each command with its description, and escapes what zsh would read', () => {
    const script = completionScript('zsh', spec)
    expect(script.startsWith('#compdef moodify\n')).toBe(true)
    expect(script).toContain("'deploy:ship a version; it'\\''s judged [always]: yes'")
    expect(script).toContain("'(-s --strategy)--strategy=[how\\: a choice]:value:(canary blue-green)'")
  })
})

describe('completion: fish', () => {
  it('has commands, options and values', () => {
    const script = completionScript('fish', spec)
    expect(script).toContain("-a deploy -d 'ship a version; it\\'s judged [always]: yes'")
    expect(script).toContain("-s s -l strategy -x -a 'canary blue-green' -d 'how: a choice'")
  })

  it.skipIf(!has('fish'))('really completes', () => {
    const complete = (line: string) =>
      run('fish', ['--no-config', '-c', `source ${scriptFile('fish')}; complete -C '${line}'`])
        .split('\n')
        .map((one) => one.split('\t')[0])
    expect(complete('moodify d')).toEqual(['deploy', 'down'])
    expect(complete('moodify deploy --strategy b')).toEqual(['blue-green'])
    expect(complete('moodify completion ')).toEqual(['bash', 'fish', 'zsh'])
  })
})
