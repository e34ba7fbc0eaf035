// The end of a hook's output, fit to be kept in a journal and shown to people.
import { stripVTControlCharacters } from 'node:util'

const KEPT_LINES = 20
const LONGEST_LINE = 500
const SECRET_NAME = /SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|KEY|AUTH|WEBHOOK|DATABASE_URL|DSN/i
/** Shorter values would blot out ordinary words. */
const SHORTEST_SECRET = 4

/** The last 20 lines, without terminal colours, and without the values of variables whose names look like secrets. */
export function lastLines(output: string, env: NodeJS.ProcessEnv): string {
  return withoutSecrets(stripVTControlCharacters(output), env)
    .trimEnd()
    .split(/\r?\n/)
    .slice(-KEPT_LINES)
    .map((line) => (line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE)}…` : line))
    .join('\n')
}

function withoutSecrets(text: string, env: NodeJS.ProcessEnv): string {
  return secretsOf(env).reduce((rest, secret) => rest.replaceAll(secret, '***'), text)
}

/** Longest first, so that a secret within another does not leave the rest of it behind. Lines of a key count alone too. */
function secretsOf(env: NodeJS.ProcessEnv): string[] {
  return Object.entries(env)
    .filter(([name]) => SECRET_NAME.test(name))
    .flatMap(([, value = '']) => [value, ...value.split(/\r?\n/)])
    .filter((value) => value.length >= SHORTEST_SECRET)
    .sort((a, b) => b.length - a.length)
}
