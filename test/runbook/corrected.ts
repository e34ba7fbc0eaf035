// docs/runbook.md: the runbook with the ledger's corrections in it.
import type { Section, Typed } from './ledger.ts'

/** Prose that is wrong or damaged; each stands in the runbook once. */
const prose: readonly (readonly [string, string])[] = [
  ['- ðŸ¤ **Canary Deployment**', '- 🐤 **Canary Deployment**'],
  ['- ðŸ›¡ï¸ **Security**', '- 🛡️ **Security**'],
  ['- â˜¸ï¸ **Kubernetes**', '- ☸️ **Kubernetes**'],
  ['**Document Version**: 2.0', '**Document Version**: 3.0, which is 2.0 with the corrections marked `# Changed`'],
  [
    '#### Prerequisites\n',
    '#### Prerequisites\n\n`moodify` is on the PATH after `npm link` in this repository. The scripts below need no such step.\n',
  ],
]

const HEAD = `<!-- Version 2.0 with the corrections of test/runbook/ledger.yaml; a test keeps the two together. -->\n\n`

export function correctedRunbook(markdown: string, sections: readonly Section[]): string {
  const lines = markdown.split('\n')
  const typed = sections.flatMap(({ blocks }) => blocks.flatMap((each) => each.typed))
  // From the end, so that the numbers of lines before stay what they are.
  for (const each of typed.toSorted((a, b) => b.command.line - a.command.line)) {
    const { line, text } = each.command
    lines.splice(line - 1, text.split('\n').length, ...replacement(each))
  }
  const corrected = lines.join('\n')
  return HEAD + prose.reduce((text, [find, put]) => replaceOnce(text, find, put), corrected)
}

function replacement({ command, entry }: Typed): string[] {
  const printed = command.text.split('\n')
  switch (entry.class) {
    case 'corrected':
      if (entry.now === '') return []
      return [`# Changed: ${entry.why}`, ...entry.now.split('\n')]
    case 'not built yet':
      return [`# Does not exist yet (${entry.part}):`, ...printed]
    case 'as printed, with warning':
    case 'as printed':
    case 'not run here':
      return printed
  }
}

function replaceOnce(text: string, find: string, put: string): string {
  const parts = text.split(find)
  if (parts.length !== 2) throw new Error(`the runbook has ${parts.length - 1} times, not once: ${find}`)
  return parts.join(put)
}
