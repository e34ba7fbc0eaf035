// What the suites of this folder share.
import type { TestContext } from 'vitest'

/** Makes one subject for one test; it is disposed of at the end, also on failure. */
export type MakeSubject<Subject extends AsyncDisposable> = () => Subject | Promise<Subject>

/** Goes on with what the subject can show, or skips the test for the reason that stands in its place. */
export function skipWithout<Ability extends object>(context: TestContext, ability: Ability | string): Ability {
  if (typeof ability === 'string') context.skip(ability)
  return ability as Ability
}
