// Journals of one namespace, as the conformance suite wants them.
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../src/effects/clock/system.ts'
import type { Api } from '../../src/effects/kubernetes/api.ts'
import { configMapStore } from '../../src/effects/kubernetes/journal-store.ts'
import { RECORD_VERSION } from '../../src/engine/record.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { openObjectJournal } from '../../src/journal/object-journal.ts'
import { type Head, headIn, headTexts } from '../../src/journal/pages.ts'
import { type JournalSubject, KEPT } from '../conformance/journal.ts'

const HEAD = 'moodify-journal-production'

export interface NamespaceJournalOptions {
  readonly keepReleases?: number
  readonly follow?: boolean
  readonly sleep?: (ms: number) => Promise<void>
  readonly nowMs?: () => number
}

export function namespaceJournal(api: Api, namespace: string, options: NamespaceJournalOptions = {}): Journal {
  return openObjectJournal({
    store: configMapStore({
      api,
      clock: systemClock,
      namespace,
      environment: 'production',
      follow: options.follow ?? false,
    }),
    environment: 'production',
    wall: () => '2026-01-06T10:00:00.000Z',
    nowMs: options.nowMs ?? (() => performance.now()),
    sleep: options.sleep ?? ((ms) => sleep(ms)),
    ...(options.keepReleases !== undefined && { keepReleases: options.keepReleases }),
  })
}

export function namespaceJournals(api: Api, namespace: string): Omit<JournalSubject, keyof AsyncDisposable> {
  const open = () => namespaceJournal(api, namespace, { keepReleases: KEPT })
  return {
    journal: open(),
    other: open(),
    stored: {
      reopen: open,
      async markNewer() {
        await changeHead(api, namespace, (head) => {
          const last = head.records.at(-1)!
          return { ...head, records: [...head.records.slice(0, -1), { ...last, version: RECORD_VERSION + 1 }] }
        })
      },
    },
  }
}

/** As another moodify would have written it. */
export async function changeHead(api: Api, namespace: string, change: (head: Head) => Head): Promise<void> {
  const configMaps = { apiVersion: 'v1', plural: 'configmaps', namespace }
  const object = (await api.get(configMaps, HEAD))!
  await api.replace(configMaps, { ...object, data: headTexts(change(headIn(object['data'] as never)!)) })
}
