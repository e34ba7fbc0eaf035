// Where text goes. With --json standard output carries JSON alone; everything for people goes to standard error.

import type { Context } from '../../verbs/context.ts'
import { headerLine } from './header.ts'
import { createStyle, type Style, shouldColor } from './style.ts'

export interface Output {
  readonly json: boolean
  /** A person is looking: standard output is a terminal. */
  readonly isTerminal: boolean
  /** Questions can be asked and answered. */
  readonly canAsk: boolean
  readonly width: number
  readonly style: Style
  line(text?: string): void
  /** One JSON document, on a line of its own. */
  document(value: unknown): void
}

export function createOutput(flags: { json?: boolean }): Output {
  const json = flags.json ?? false
  const { stdout, stdin } = process
  return {
    json,
    isTerminal: Boolean(stdout.isTTY) && !json,
    canAsk: Boolean(stdin.isTTY) && Boolean(stdout.isTTY) && !json,
    width: stdout.columns ?? 100,
    style: createStyle({ color: !json && shouldColor(stdout, process.env) }),
    line(text = '') {
      if (!json) stdout.write(`${text}\n`)
    },
    document(value) {
      if (json) stdout.write(`${JSON.stringify(value)}\n`)
    },
  }
}

/** The first line of every command: which environment it speaks of. */
export async function printHeader(context: Context, output: Output): Promise<void> {
  if (output.json) return
  const facts = await context.host.facts(context.environment.name).catch(() => null)
  output.line(
    headerLine({
      environment: context.environment.name,
      platform: context.environment.platform,
      application: context.config.name,
      url: facts?.url ?? null,
    }),
  )
}
