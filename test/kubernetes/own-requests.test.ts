import { expect, test } from 'vitest'
import { type Counts, noCounts } from '../../src/domain/counts.ts'
import { ownRequests } from '../../src/effects/kubernetes/own-requests.ts'

const POD = 'blue-1'

/** A program that counts what it answers, and can be asked how much that is. */
function program() {
  let counts: Counts = noCounts
  let isMute = false
  const answer = (failed = false) => {
    const { requests, failures, latency } = counts
    const [first = 0, ...rest] = latency
    counts = { requests: requests + 1, failures: failures + (failed ? 1 : 0), latency: [first + 1, ...rest] }
  }
  const own = ownRequests(async () => (isMute ? null : counts))
  const users = async () => {
    const seen = await own.users('backend', POD)
    return seen && seen !== 'asked' ? [seen.counts.requests, seen.counts.failures, seen.lost] : seen
  }
  const send = <T>(during: () => T) => own.aside('backend', [POD], async () => during())
  return {
    own,
    answer,
    users,
    send,
    restart: () => {
      counts = noCounts
    },
    mute: (value: boolean) => {
      isMute = value
    },
  }
}

test('what we send is taken off, and users’ requests before and after it are not', async () => {
  const { answer, users, send } = program()
  answer()
  expect(await users()).toEqual([1, 0, 0])
  await send(() => {
    answer()
    answer(true)
  })
  expect(await users()).toEqual([1, 0, 0])
  answer(true)
  expect(await users()).toEqual([2, 1, 0])
})

test('a program that does not count what we send loses no user’s request by it', async () => {
  const { answer, users, send } = program()
  answer()
  await send(() => {})
  answer()
  expect(await users()).toEqual([2, 0, 0])
})

test('while a pod is asked nothing is said of it', async () => {
  const { answer, users, send } = program()
  await send(async () => {
    answer()
    expect(await users()).toBe('asked')
  })
  expect(await users()).toEqual([0, 0, 0])
})

test('what fails on the way is set aside too', async () => {
  const { answer, users, send } = program()
  const failed = send(() => {
    answer()
    throw new Error('no answer')
  })
  await expect(failed).rejects.toThrow('no answer')
  expect(await users()).toEqual([0, 0, 0])
})

test('where it is not known what to take off, counting begins anew', async () => {
  const { answer, users, send, mute } = program()
  answer()
  await send(() => mute(true))
  mute(false)
  expect(await users()).toEqual([1, 0, 1])
})

test('a program that was started anew owes nothing', async () => {
  const { answer, users, send, restart } = program()
  await send(() => {
    answer()
    answer()
  })
  restart()
  answer()
  expect(await users()).toEqual([1, 0, 0])
})
