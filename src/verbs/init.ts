import { proposeConfig } from '../config/init.ts'
import { inspectProject } from '../config/inspect.ts'

/** The text of a moodify.yaml for the project in a folder. */
export async function initialConfig(root: string): Promise<string> {
  return proposeConfig(await inspectProject(root))
}
