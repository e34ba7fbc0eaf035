import type { Compose } from './actions/common.ts'

/** What the command line is given from outside. */
export interface CommandLineOptions {
  readonly composeContext: Compose
  readonly version: string
}
