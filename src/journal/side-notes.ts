// What a journal keeps beside its records: checkpoints in one object, and the samples of a release in objects of its own.
// Each is one write that reads nothing.
import type { Journal, Sample } from './journal.ts'
import type { ObjectStore } from './object-store.ts'
import { pack, unpack } from './pages.ts'

/** Some hundred bytes each; an object holds a megabyte. */
const SAMPLES_OF_OBJECT = 2000

interface SideNotes extends Pick<Journal, 'saveCheckpoint' | 'checkpoint' | 'saveSample' | 'samples'> {
  /** Of whoever writes: samples of two runners never have the same key. */
  epoch: number
  forget(release: string): Promise<void>
}

export function openSideNotes({ store, prefix }: { readonly store: ObjectStore; readonly prefix: string }): SideNotes {
  let saved = 0
  const checkpoints = `${prefix}-checkpoints`
  const samplesName = (release: string, index: number) => `${prefix}-samples-${release.toLowerCase()}-${index}`

  async function objectsOf(release: string) {
    const found = []
    for (let index = 0; ; index++) {
      const object = await store.get(samplesName(release, index))
      if (!object) return found
      found.push(object)
    }
  }

  const notes: SideNotes = {
    epoch: 0,
    async saveCheckpoint(key, value) {
      await store.set({ name: checkpoints, part: 'checkpoints', data: { [keyText(key)]: pack(value) } })
    },
    async checkpoint(key) {
      const object = await store.get(checkpoints)
      return unpack(object?.data[keyText(key)])
    },
    async saveSample(sample) {
      const key = [notes.epoch, saved].map((number) => String(number).padStart(8, '0')).join('.')
      const name = samplesName(sample.release, Math.floor(saved / SAMPLES_OF_OBJECT))
      saved++
      await store.set({ name, part: 'samples', data: { [key]: JSON.stringify(sample) } })
    },
    async samples(release) {
      const objects = await objectsOf(release)
      const texts = objects.flatMap(({ data }) => Object.entries(data).toSorted())
      return texts.flatMap(([, text]) => sampleIn(text))
    },
    async forget(release) {
      for (const { name } of await objectsOf(release)) await store.delete(name)
    },
  }
  return notes
}

/** Letters, digits and `-` as they are. */
function keyText(key: string): string {
  return key.replace(/[^-a-zA-Z0-9]/g, (letter) => `_${letter.charCodeAt(0).toString(16)}`)
}

/** A sample that cannot be read is left out: it is evidence for people, and decides nothing. */
function sampleIn(text: string): Sample[] {
  try {
    return [JSON.parse(text) as Sample]
  } catch {
    return []
  }
}
