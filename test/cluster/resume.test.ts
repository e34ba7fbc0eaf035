// A runner that dies in the middle of a release on a real cluster. Another machine, which has nothing but the kubeconfig,
// sees it, goes on from there, and can undo it. A sample of the points that test/kubernetes/kill.test.ts goes through.
import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { onCluster } from './support/namespace.ts'
import { expectCode, expectNothingDropped, type Shipped, shipped } from './support/releases.ts'

const points = [
  'before append stepStarted#4',
  'after effect applyRevision',
  'before effect setShares',
  'after effect setShares',
  'after append rolesChanged, stepFinished',
]

/** What the cluster complained of meanwhile: a node that is too busy restarts pods that nobody meant. */
async function warnings({ api, namespace }: Shipped): Promise<string> {
  const { items } = await api.list({ apiVersion: 'v1', plural: 'events', namespace }, { fieldSelector: 'type=Warning' })
  return items.map(({ reason, message, lastTimestamp }) => `${lastTimestamp} ${reason}: ${message}`).join('\n')
}

onCluster(() => {
  test.each(points)(
    'killed %s: another machine sees it, goes on and undoes it, and no request is dropped',
    async (point) => {
      await using app = await shipped('kj-resume')
      expectCode(await app.moodify('deploy', '-v', 'v1.2.2', '--yes'), 0)
      const load = await app.load(20)

      const first = await app.elsewhere({ MOODIFY_TEST_KILL_AT: point })
      const killed = await first.moodify('deploy', '-v', 'v1.2.3', '--yes')
      expect(killed.code, killed.text).toBe(null)

      const other = await app.elsewhere()
      const told = await until('it is seen that nobody watches', async () => {
        const status = JSON.parse((await other.moodify('status', '--json')).text)
        return status.unwatched && status
      })
      expect(told.release).toMatchObject({ id: 'r-2', version: 'v1.2.3' })
      const resumed = expectCode(await other.moodify('resume'), 0)
      const { release, last } = JSON.parse((await other.moodify('status', '--json')).text)
      // Its old version may still be kept warm.
      expect(release ?? last, resumed).toMatchObject({ id: 'r-2', version: 'v1.2.3', outcome: 'released' })
      expect(expectCode(await other.moodify('explain', 'r-2'), 0)).toContain('took over')

      expectCode(await other.moodify('rollback', '--yes'), 0)
      const undone = JSON.parse((await other.moodify('status', '--json')).text)
      expect(undone.services[0].slots.find(({ role }: { role: string }) => role === 'stable').version).toBe('v1.2.2')
      expectNothingDropped(await load.stop(), await warnings(app))
    },
    900_000,
  )
})
