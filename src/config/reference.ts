// docs/reference/configuration.md: every key of moodify.yaml, from the same schema that reads it.
import * as z from 'zod'
import { fileSchema } from './schema.ts'

const ROOT = 'file'

type JsonSchema = z.core.JSONSchema.JSONSchema

interface Section {
  readonly id: string
  /** All places where this mapping may stand. */
  readonly places: string[]
  readonly schema: JsonSchema
}

export function configurationReference(): string {
  const root = z.toJSONSchema(fileSchema, { io: 'input' }) as JsonSchema
  const sections = collectSections({ ...root.$defs, [ROOT]: root })
  return `${[intro, ...sections.map(sectionText)].join('\n\n')}\n`
}

const intro = `# Configuration

Every key of \`moodify.yaml\`, made from the schema that reads it. Times are in seconds and may have decimals. Unknown
keys are errors. \`NAME\` stands for a name that you choose: lower-case letters, digits and \`-\`, at most 31.

The settings from \`canary\` to \`hooks\` stand at the top level for all environments; within an environment they replace
the top level's, key by key.`

/** Mappings in the order in which a reader of the file meets them. */
function collectSections(definitions: Record<string, JsonSchema>): Section[] {
  const sections: Section[] = []
  visit(ROOT, '')
  return sections

  function visit(id: string, place: string): void {
    const schema = definitions[id] as JsonSchema
    const known = sections.find((section) => section.id === id)
    if (known) known.places.push(place)
    else sections.push({ id, places: [place], schema })
    for (const [key, property] of Object.entries(schema.properties ?? {})) {
      for (const { target, suffix } of references(property as JsonSchema)) {
        visit(target, `${place && `${place}.`}${key}${suffix}`)
      }
    }
  }
}

/** The mappings that a key may hold, with how they are reached from it. */
function references(schema: JsonSchema, suffix = ''): { target: string; suffix: string }[] {
  if (schema.$ref) return [{ target: schema.$ref.replace('#/$defs/', ''), suffix }]
  if (typeof schema.additionalProperties === 'object') return references(schema.additionalProperties, `${suffix}.NAME`)
  if (schema.items) return references(schema.items as JsonSchema, `${suffix}[]`)
  return (schema.anyOf ?? []).flatMap((option) => references(option as JsonSchema, suffix))
}

function sectionText({ id, places, schema }: Section): string {
  const requiredKeys = new Set(schema.required)
  const rows = Object.entries(schema.properties ?? {}).map(([key, property]) => {
    const { description = '', default: fallback } = property as JsonSchema
    const standard = requiredKeys.has(key) ? 'required' : fallback === undefined ? '' : `\`${valueText(fallback)}\``
    return `| ${[`\`${key}\``, typeText(property as JsonSchema), standard, description].map(cell).join(' | ')} |`
  })
  const where =
    id === ROOT
      ? ''
      : `At ${places
          .toSorted(shortestFirst)
          .map((place) => `\`${place}\``)
          .join(', ')}.\n\n`
  const table = ['| Key | Type | Default | Meaning |', '| --- | --- | --- | --- |', ...rows].join('\n')
  return `## ${titleOf(id)}\n\n${where}${table}`
}

function shortestFirst(a: string, b: string): number {
  return a.split('.').length - b.split('.').length
}

function titleOf(id: string): string {
  return id === ROOT ? 'Top level' : id
}

function typeText(schema: JsonSchema): string {
  if (schema.$ref) {
    const id = schema.$ref.replace('#/$defs/', '')
    return `[${id}](#${id.toLowerCase()})`
  }
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(', ')
  if (schema.anyOf) return schema.anyOf.map((option) => typeText(option as JsonSchema)).join(' or ')
  if (schema.type === 'array') return `list of ${typeText(schema.items as JsonSchema)}`
  if (schema.type === 'object') return `NAME to ${typeText(schema.additionalProperties as JsonSchema)}`
  if (schema.type === 'number' || schema.type === 'integer') return numberText(schema)
  return schema.type === 'boolean' ? '`true` or `false`' : schema.type === 'null' ? '`null`' : 'text'
}

function numberText({ type, minimum, maximum }: JsonSchema): string {
  return `${type === 'integer' ? 'whole number' : 'number'}, ${minimum} to ${maximum}`
}

function valueText(value: unknown): string {
  return Array.isArray(value) ? `[${value.join(', ')}]` : String(value)
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
