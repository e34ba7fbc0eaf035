// One client connection: sends the pieces of a case, reads all that comes, and asks one last innocent request to see
// whether both sides still agree on where a request begins.
import { connect, type Socket } from 'node:net'
import type { RecordingBackend } from './backend.ts'
import type { HostileCase } from './cases.ts'
import { type Message, MessageReader, valuesOf } from './wire.ts'

const DEADLINE_MS = 20_000
const LAST = 'GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

/** @returns answers in words, and `open` or `closed` for what became of the connection before the last request */
export async function exchange(
  target: { port: number; host: string } | { path: string },
  hostile: HostileCase,
  backend: RecordingBackend,
  expected: readonly string[],
  deadlineMs = DEADLINE_MS,
): Promise<string[]> {
  const client = new Client(connect({ ...target, allowHalfOpen: true }), hostile.methods ?? [])
  const deadline = setTimeout(() => client.giveUp(), deadlineMs)
  try {
    for (const piece of hostile.send) {
      if (typeof piece === 'string') await client.write(piece)
      else if (piece.until === 'at the service') await Promise.race([backend.headArrives(), client.closed])
      else if (piece.until === 'half-closed') client.endSending()
      else await client.answered(piece.until)
    }
    const whole = expected.filter((words) => words !== 'open' && words !== 'closed').length
    if (expected.at(-1) === 'closed') await client.closed
    else await client.answered(whole)
    const open = !client.isClosed
    const answers = client.words()
    if (hostile.hangUp) client.destroy()
    else if (open) await client.write(LAST)
    await client.closed
    const last = client.words().slice(answers.length)
    if (open && !hostile.hangUp && last.join() !== '200 GET /last 0') return [...answers, `last: ${last.join()}`]
    return [...answers, open ? 'open' : 'closed']
  } finally {
    clearTimeout(deadline)
    client.destroy()
  }
}

class Client {
  readonly closed: Promise<void>
  isClosed = false
  private readonly socket: Socket
  private readonly reader: MessageReader
  private garbled: string | null = null
  private gaveUp = false
  private wake: () => void = () => {}

  constructor(socket: Socket, methods: readonly string[]) {
    this.socket = socket
    this.reader = new MessageReader('response', (index) => methods[index] === 'HEAD')
    socket.setNoDelay(true)
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.isClosed = true
        this.reader.end()
        this.wake()
        resolve()
      })
    })
    socket.on('error', () => {})
    socket.on('end', () => socket.end())
    socket.on('data', (data: Buffer) => this.read(data))
  }

  /** Resolves when it is handed to the kernel and both sides have had their turn of the event loop. */
  async write(text: string): Promise<void> {
    if (this.socket.destroyed) return
    await new Promise<void>((resolve) => this.socket.write(text, 'latin1', () => resolve()))
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  }

  endSending(): void {
    this.socket.end()
  }

  /** Waits for this many whole answers, or the end of the connection. */
  async answered(count: number): Promise<void> {
    while (!this.isClosed && this.whole() < count) {
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    }
  }

  /** Answers that are whole; what comes after a switch of protocols counts as one. */
  private whole(): number {
    return this.reader.messages.filter(({ complete }) => complete).length + (this.reader.switched ? 1 : 0)
  }

  words(): string[] {
    const words = this.reader.messages.map(wordsOf)
    if (this.reader.switched) words.push(`switched: ${this.reader.switched}`)
    if (this.garbled !== null) words.push(`garbled: ${this.garbled}`)
    if (this.gaveUp) words.push('nothing more came')
    return words
  }

  giveUp(): void {
    this.gaveUp = true
    this.socket.destroy()
  }

  destroy(): void {
    this.socket.destroy()
  }

  private read(data: Buffer): void {
    try {
      this.reader.feed(data.toString('latin1'))
    } catch (error) {
      this.garbled = (error as Error).message
      this.socket.destroy()
    }
    this.wake()
  }
}

function wordsOf(message: Message): string {
  const { start, body, trailers, complete } = message
  const status = start.slice(9, 12)
  const error = valuesOf(message, 'x-moodify-error')[0]
  const isNginx = body.includes('<center>nginx')
  const what = error ?? (isNginx ? '' : body.length > 60 ? `${body.length} bytes` : body)
  const trailer = trailers ? ` trailers ${trailers.trim()}` : ''
  return `${status} ${what}${trailer}${complete ? '' : ' (broken off)'}`.trim()
}
