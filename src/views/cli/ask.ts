import { createInterface } from 'node:readline/promises'
import { invariant } from '../../errors/catalogue.ts'

export interface Dialogue {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly output: NodeJS.WritableStream
}

/**
 * Asks on a terminal. Only `y` and `yes` mean yes; an empty line, Ctrl-C and Ctrl-D mean no.
 *
 * @throws InvariantError without a terminal: a pipeline would wait for ever
 */
export async function confirm(question: string, { input, output }: Dialogue): Promise<boolean> {
  invariant(input.isTTY, 'a question was asked where nobody can answer it')
  const readline = createInterface({ input, output })
  const gone = new AbortController()
  readline.once('SIGINT', () => gone.abort())
  readline.once('close', () => gone.abort())
  try {
    const answer = await readline.question(`${question} [y/N] `, { signal: gone.signal })
    return /^\s*y(es)?\s*$/i.test(answer)
  } catch (error) {
    if (!gone.signal.aborted) throw error
    output.write('\n')
    return false
  } finally {
    readline.close()
  }
}
