// JSON Schema of moodify.yaml, for editors: completion, hovers, and red lines while typing.
import * as z from 'zod'
import { fileSchema } from './schema.ts'

/** Draft 7, which the YAML language server knows best. Rules about several keys are not in it. */
export function jsonSchema(): string {
  const schema = { title: 'moodify.yaml', ...z.toJSONSchema(fileSchema, { io: 'input', target: 'draft-7' }) }
  return `${JSON.stringify(schema, null, 2)}\n`
}
