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
export async function confirm(question: string, dialogue: Dialogue): Promise<boolean> {
  return (await choose(`${question} [y/N]`, ['no', 'yes'], dialogue)) === 'yes'
}

/**
 * Lets a person choose by a word or its first letter. Everything else, Ctrl-C and Ctrl-D mean the first choice.
 *
 * @throws InvariantError without a terminal: a pipeline would wait for ever
 */
export async function choose<Choice extends string>(
  question: string,
  choices: readonly [Choice, ...Choice[]],
  { input, output }: Dialogue,
): Promise<Choice> {
  invariant(input.isTTY, 'a question was asked where nobody can answer it')
  const readline = createInterface({ input, output })
  const gone = new AbortController()
  readline.once('SIGINT', () => gone.abort())
  readline.once('close', () => gone.abort())
  try {
    const answer = (await readline.question(`${question} `, { signal: gone.signal })).trim().toLowerCase()
    return choices.find((choice) => answer === choice || answer === choice[0]) ?? choices[0]
  } catch (error) {
    if (!gone.signal.aborted) throw error
    output.write('\n')
    return choices[0]
  } finally {
    readline.close()
  }
}
