// Colours of the terminal, used sparingly: red is for what hurts users, yellow for what needs a look.
import colors from 'picocolors'

type Paint = (text: string) => string

export interface Style {
  readonly bold: Paint
  readonly dim: Paint
  readonly red: Paint
  readonly green: Paint
  readonly yellow: Paint
  readonly cyan: Paint
}

export function createStyle({ color }: { color: boolean }): Style {
  const { bold, dim, red, green, yellow, cyan } = colors.createColors(color)
  return { bold, dim, red, green, yellow, cyan }
}

/**
 * Whether to colour what is written to `stream`: on a terminal that can, unless NO_COLOR is set. FORCE_COLOR
 * overrules all of it, `0` and `false` included, so that a pipeline can have colours in its log.
 *
 * @see https://no-color.org
 */
export function shouldColor(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  const forced = env['FORCE_COLOR']
  if (forced !== undefined) return forced !== '0' && forced !== 'false'
  return stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
}
