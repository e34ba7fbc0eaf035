// Commands that wait for a runner, in one object. Numbers count up and are never given twice.
import { changeObject, type Waiting } from './changes.ts'
import type { Journal, PostedCommand } from './journal.ts'
import type { ObjectStore, StoredObject } from './object-store.ts'
import { pack, unpack } from './pages.ts'

interface Contents {
  readonly lastId: number
  readonly commands: readonly PostedCommand[]
}

interface Inbox extends Pick<Journal, 'post' | 'withdraw' | 'commands'> {
  /** Those up to an id have been taken. */
  forget(upTo: number): Promise<void>
}

export function openInbox(
  options: Waiting & { readonly store: ObjectStore; readonly name: string; readonly wall: () => string },
): Inbox {
  const { store, name, wall } = options
  let known: { readonly version: string; readonly contents: Contents } | null = null

  function contentsOf(object: StoredObject | null): Contents {
    if (!object) return { lastId: 0, commands: [] }
    if (known?.version !== object.version) known = { version: object.version, contents: contentsIn(object) }
    return known.contents
  }

  async function change(next: (contents: Contents) => Contents): Promise<Contents> {
    let contents: Contents = { lastId: 0, commands: [] }
    const place = { name, part: 'inbox' } as const
    await changeObject(
      store,
      place,
      async (found) => {
        contents = next(contentsOf(found))
        return { commands: pack(contents) }
      },
      options,
    )
    return contents
  }

  return {
    async post(command, actor) {
      const at = wall()
      const { lastId } = await change(({ lastId: last, commands }) => {
        return { lastId: last + 1, commands: [...commands, { id: last + 1, at, actor, command }] }
      })
      return lastId
    },
    async withdraw(id) {
      await change((contents) => ({ ...contents, commands: contents.commands.filter((posted) => posted.id !== id) }))
    },
    async commands(after) {
      return contentsOf(await store.get(name)).commands.filter(({ id }) => id > after)
    },
    async forget(upTo) {
      await change((contents) => ({ ...contents, commands: contents.commands.filter(({ id }) => id > upTo) }))
    },
  }
}

function contentsIn({ data }: StoredObject): Contents {
  return (unpack(data['commands']) as Contents | null) ?? { lastId: 0, commands: [] }
}
