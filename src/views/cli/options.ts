import type { Context } from '../../verbs/context.ts'

/** What the command line is given from outside. */
export interface CommandLineOptions {
  readonly composeContext: (folder: string, environment?: string) => Context
  readonly version: string
}
