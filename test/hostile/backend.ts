// The service behind front and nginx: it writes down every byte that it gets, reads it by the letter, and answers what
// the case says.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Ambiguous, type Message, MessageReader } from './wire.ts'

/** What the service does with each request but the last one of a case. */
export interface Script {
  /** Bytes of its answer; without them it says what it has read. */
  readonly bytes?: string
  /** What it does after them. */
  readonly after?: 'close' | 'reset'
  /** It answers as soon as the head is there, and reads no further body. */
  readonly early?: boolean
}

export interface RecordingBackend extends AsyncDisposable {
  readonly port: number
  script: Script
  /** Requests, as in `POST /path 5`: the number is the length of the body. */
  seen(): string[]
  messages(): Message[]
  /** What two readers could understand differently in what came. */
  readonly ambiguities: string[]
  /** All bytes of each connection. */
  bytes(): string[]
  /** Resolves when the head of the next request has come. */
  headArrives(): Promise<void>
  /** Ends all connections, so that what a case leaves behind is not there for the next one. */
  forget(): Promise<void>
}

export async function startRecordingBackend(): Promise<RecordingBackend> {
  const connections = new Set<{ socket: Socket; reader: MessageReader; bytes: string }>()
  const waiting: (() => void)[] = []
  let heads = 0
  let awaited = 0
  const ambiguities: string[] = []

  const server = createServer((socket) => {
    const connection = { socket, reader: new MessageReader('request'), bytes: '' }
    connections.add(connection)
    let answered = 0
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('data', (data: Buffer) => {
      const text = data.toString('latin1')
      connection.bytes += text
      const before = connection.reader.messages.length
      try {
        connection.reader.feed(text)
      } catch (error) {
        if (!(error instanceof Ambiguous)) throw error
        ambiguities.push(error.message)
        socket.destroy()
        return
      }
      heads += connection.reader.messages.length - before
      for (const wake of waiting.splice(0)) wake()
      for (const message of connection.reader.messages.slice(answered)) {
        const script = isLast(message) ? {} : backend.script
        if (!message.complete && !script.early) break
        answered++
        answer(socket, connection.reader, message, script)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  const messages = () => [...connections].flatMap(({ reader }) => reader.messages)
  const backend: RecordingBackend = {
    port: (server.address() as AddressInfo).port,
    script: {},
    ambiguities,
    messages,
    seen: () => messages().map(wordsOf),
    bytes: () => [...connections].map(({ bytes }) => bytes),
    async headArrives() {
      awaited++
      while (heads < awaited) await new Promise<void>((resolve) => waiting.push(resolve))
    },
    async forget() {
      await Promise.all([...connections].map(({ socket }) => ended(socket)))
      connections.clear()
      heads = 0
      awaited = 0
      ambiguities.length = 0
      backend.script = {}
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const { socket } of connections) socket.destroy()
      await once(server, 'close')
    },
  }
  return backend
}

async function ended(socket: Socket): Promise<void> {
  if (socket.closed) return
  const closed = once(socket, 'close')
  socket.end()
  await closed
}

export function wordsOf({ start, body }: Message): string {
  return `${start.replace(/ HTTP\/1\.\d$/, '')} ${body.length}`
}

function isLast({ start }: Message): boolean {
  return start.startsWith('GET /last')
}

function answer(socket: Socket, reader: MessageReader, message: Message, { bytes, after }: Script): void {
  const words = wordsOf(message)
  const text = bytes ?? `HTTP/1.1 200 OK\r\nContent-Length: ${words.length}\r\n\r\n${words}`
  socket.write(text, 'latin1')
  if (text.startsWith('HTTP/1.1 101')) {
    reader.switchProtocol()
    socket.on('data', (data) => socket.write(data))
  }
  if (after === 'close') socket.end()
  if (after === 'reset') setImmediate(() => socket.resetAndDestroy())
}
