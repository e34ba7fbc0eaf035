// Completion scripts, written once and static: pressing Tab starts no process. What can only be known at run time
// (versions, releases) is not completed.

export interface CompletionSpec {
  readonly commands: readonly CompletionCommand[]
}

export interface CompletionCommand {
  readonly name: string
  readonly description: string
  readonly options: readonly CompletionOption[]
  /** Values of its argument, where they are known. */
  readonly values?: readonly string[]
}

export interface CompletionOption {
  /** As in the help: `-e, --environment <name>`. */
  readonly flags: string
  readonly description: string
  readonly values?: readonly string[]
}

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

const PROGRAM = 'moodify'

export function completionScript(shell: Shell, spec: CompletionSpec): string {
  const commands = spec.commands.map(commandOf)
  switch (shell) {
    case 'bash':
      return bashScript(commands)
    case 'zsh':
      return zshScript(commands)
    case 'fish':
      return fishScript(commands)
  }
}

interface Command {
  readonly name: string
  readonly description: string
  readonly options: readonly Option[]
  readonly values: readonly string[]
}

interface Option {
  /** `-e` and `--environment` */
  readonly names: readonly string[]
  readonly description: string
  readonly takesValue: boolean
  readonly values: readonly string[]
}

const help: CompletionOption = { flags: '-h, --help', description: 'display help for command' }

function commandOf({ name, description, options, values = [] }: CompletionCommand): Command {
  return { name, description, options: [...options, help].map(optionOf), values: values.filter(isPlain) }
}

function optionOf({ flags, description, values = [] }: CompletionOption): Option {
  const names = flags.split(/[ ,|]+/).filter((word) => word.startsWith('-'))
  return { names, description, takesValue: /[<[]/.test(flags), values: values.filter(isPlain) }
}

/** A shell would read more than a word into others. */
function isPlain(value: string): boolean {
  return /^[\w.:,@/+-]+$/.test(value)
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

// --- bash -------------------------------------------------------------------------------------------------

function bashScript(commands: readonly Command[]): string {
  const afterOption = commands.flatMap(({ name, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .map(({ names, values }) => {
        const patterns = names.map((option) => quoted(`${name} ${option}`)).join('|')
        return `    ${patterns}) words=${quoted(values.join(' '))} ;;`
      }),
  )
  const ofCommand = commands.map(({ name, options, values }) => {
    const words = [...values, ...options.flatMap(({ names }) => names)]
    return `    ${quoted(`${name} `)}*) words=${quoted(words.join(' '))} ;;`
  })
  return `# bash completion of ${PROGRAM}. Load it with: source <(${PROGRAM} completion bash)
_${PROGRAM}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  # --option=value is three words to bash.
  if [[ $current == '=' ]]; then
    current=''
  elif [[ $previous == '=' ]]; then
    previous="\${COMP_WORDS[COMP_CWORD-2]}"
  fi
  local command="\${COMP_WORDS[1]}" words=''
  if (( COMP_CWORD == 1 )); then
    command='' previous=''
  fi
  case "$command $previous" in
    ' ') words=${quoted(commands.map(({ name }) => name).join(' '))} ;;
${[...afterOption, ...ofCommand].join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _${PROGRAM} ${PROGRAM}
`
}

// --- zsh --------------------------------------------------------------------------------------------------

function zshScript(commands: readonly Command[]): string {
  const names = commands.map(({ name, description }) => `    ${quoted(`${name}:${description}`)}`)
  const cases = commands.map(({ name, options, values }) => {
    const specs = [
      ...options.flatMap(zshOption),
      ...(values.length > 0 ? [quoted(`:value:(${values.join(' ')})`)] : []),
    ]
    return `    ${name})\n      _arguments ${specs.join(' \\\n        ')}\n      ;;`
  })
  return `#compdef ${PROGRAM}
# zsh completion of ${PROGRAM}. Load it with: source <(${PROGRAM} completion zsh)
_${PROGRAM}() {
  local -a commands
  commands=(
${names.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command="\${words[2]}"
  shift words
  (( CURRENT -= 1 ))
  case "$command" in
${cases.join('\n')}
  esac
}
if [[ "\${funcstack[1]}" == _${PROGRAM} ]]; then
  _${PROGRAM} "$@"
else
  compdef _${PROGRAM} ${PROGRAM}
fi
`
}

function zshOption({ names, description, takesValue, values }: Option): string[] {
  const says = description.replace(/[[\]:\\]/g, '\\$&')
  const value = takesValue ? `:value:${values.length > 0 ? `(${values.join(' ')})` : ''}` : ''
  const excludes = names.length > 1 ? `(${names.join(' ')})` : ''
  // A long option also takes its value after "=".
  return names.map((name) => {
    const equals = takesValue && name.startsWith('--') ? '=' : ''
    return quoted(`${excludes}${name}${equals}[${says}]${value}`)
  })
}

// --- fish -------------------------------------------------------------------------------------------------

function fishScript(commands: readonly Command[]): string {
  const lines = commands.flatMap((command) => {
    const inside = quoted(`__fish_seen_subcommand_from ${command.name}`)
    const start = `complete -c ${PROGRAM} -n ${inside}`
    return [
      `complete -c ${PROGRAM} -n '__fish_use_subcommand' -a ${command.name} -d ${fishQuoted(command.description)}`,
      ...(command.values.length > 0 ? [`${start} -a ${quoted(command.values.join(' '))}`] : []),
      ...command.options.map((option) => `${start} ${fishOption(option)}`),
    ]
  })
  return `# fish completion of ${PROGRAM}. Load it with: ${PROGRAM} completion fish | source
complete -c ${PROGRAM} -f
${lines.join('\n')}
`
}

function fishOption({ names, description, takesValue, values }: Option): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
  const value = takesValue ? ['-x', ...(values.length > 0 ? [`-a ${quoted(values.join(' '))}`] : [])] : []
  return [...flags, ...value, `-d ${fishQuoted(description)}`].join(' ')
}

/** In fish a quote is escaped inside quotes. */
function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
