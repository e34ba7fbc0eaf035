// The new front's side of a handover (succession.ts).
import type { Server } from 'node:http'
import type { Server as NetServer } from 'node:net'
import type { FrontSupervisor } from '../protocol.ts'
import type { AsideServer } from '../socket-server.ts'
import { Peer } from './peer.ts'
import { type SavedState, stateSchema } from './schemas.ts'
import { type FromOld, type Report, sameClock, say } from './succession.ts'

/** What a front that takes over knows before it serves. */
export interface Inheritance {
  readonly state: SavedState
  /** Goes on where the clock of the old front is, so that seconds mean the same in both. */
  readonly now: () => number
  readonly countsSource: string
  readonly supervisor: FrontSupervisor | null
  readonly predecessor: Predecessor
}

/** Waits for what the old front hands over. @throws Error when it goes away or says something else */
export async function inherit(): Promise<Inheritance> {
  const waiting = heard('state')
  void say(process, { kind: 'ready' })
  const { state, clock, countsSource, supervisor, report } = (await waiting) as Extract<FromOld, { kind: 'state' }>
  return {
    state: stateSchema.parse(state),
    now: sameClock(clock),
    countsSource,
    supervisor,
    predecessor: new Predecessor(report),
  }
}

/** The front before this one, which still answers what is on its kept connections. */
export class Predecessor extends Peer {
  constructor(report: Report) {
    super(process, report)
  }

  /**
   * Takes the listening socket and the name of the control socket over. Nothing here can fail for want of something
   * once the socket has come, because what it accepts from then on would be lost.
   *
   * @throws Error when the old front goes away before it has let go
   */
  async takeOver(server: Server, backlog: number, control: AsideServer): Promise<void> {
    const committed = heard('committed').catch((error: Error) => {
      if (!control.serves()) throw error
    })
    const listening = heard('listen', (handle) => {
      server.listen(handle, backlog)
      void say(process, { kind: 'listening' })
    })
    void say(process, { kind: 'prepared', controlSocket: control.aside })
    await Promise.all([listening, committed])
    this.follow()
  }
}

/** The next message of a kind. What comes with it is taken at once: a socket without an owner would accept and not serve. */
export function heard(kind: FromOld['kind'], take: (handle: NetServer) => void = () => {}): Promise<FromOld> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: FromOld, handle: unknown) => {
      if (message.kind !== kind) return
      stop()
      take(handle as NetServer)
      resolve(message)
    }
    const onDisconnect = () => {
      stop()
      reject(new Error(`the front before this one has gone without a word (${kind})`))
    }
    const stop = () => {
      process.off('message', onMessage)
      process.off('disconnect', onDisconnect)
    }
    process.on('message', onMessage)
    process.on('disconnect', onDisconnect)
    if (!process.connected) onDisconnect()
  })
}
