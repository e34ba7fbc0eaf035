// HTTP/1.1 messages in bytes, read by the letter of RFC 9112 and with nothing of Node's parser, so that what the front
// sends on is judged by somebody else. Bytes are latin1 text: one character, one byte.

export interface Message {
  /** Request line or status line. */
  readonly start: string
  /** Names in lower case. */
  readonly headers: readonly (readonly [string, string])[]
  body: string
  trailers: string
  complete: boolean
}

type Kind = 'request' | 'response'
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const starts: Record<Kind, RegExp> = {
  request: new RegExp(`^${TOKEN} [\\x21-\\x7e]+ HTTP/1\\.[01]$`),
  response: /^HTTP\/1\.[01] \d{3} [\t\x20-\x7e\x80-\xff]*$/,
}
const HEADER = new RegExp(`^(${TOKEN}):[ \\t]*([\\t\\x20-\\x7e\\x80-\\xff]*?)[ \\t]*$`)

/** What a second reader could understand differently. */
export class Ambiguous extends Error {}

/** Reads the messages of one direction of one connection. */
export class MessageReader {
  readonly messages: Message[] = []
  /** What follows a switch of protocols. */
  switched: string | null = null
  private readonly kind: Kind
  /** Whether the message with this index has no body for a reason that is not written in it. */
  private readonly isBodiless: (index: number) => boolean
  private rest = ''
  private current: Message | null = null
  /** Bytes left of a body or a chunk; 'head' | 'size' | 'trailers' | 'rest' are what comes next otherwise. */
  private next: number | 'head' | 'size' | 'trailers' | 'close' | 'chunkEnd' = 'head'
  private chunked = false

  constructor(kind: Kind, isBodiless: (index: number) => boolean = () => false) {
    this.kind = kind
    this.isBodiless = isBodiless
  }

  /** @throws Ambiguous */
  feed(bytes: string): void {
    if (this.switched !== null) {
      this.switched += bytes
      return
    }
    this.rest += bytes
    while (this.step());
  }

  /** The other side has ended: what is read until the end is whole. */
  end(): void {
    if (this.next === 'close') this.current!.complete = true
  }

  /** After a 101, as its sender sees it. */
  switchProtocol(): void {
    this.switched = this.rest
    this.rest = ''
  }

  get isBetweenMessages(): boolean {
    return this.next === 'head' && this.rest === ''
  }

  private step(): boolean {
    if (this.switched !== null) return false
    if (this.next === 'head') return this.readHead()
    if (this.next === 'close') return this.takeBody(this.rest.length)
    if (typeof this.next === 'number') return this.readCounted(this.next)
    const line = this.takeLine()
    if (line === null) return false
    if (this.next === 'size') this.readSize(line)
    else if (this.next === 'chunkEnd') {
      if (line !== '') throw new Ambiguous(`a chunk is followed by ${JSON.stringify(line)}`)
      this.next = 'size'
    } else if (line === '') this.finish()
    else this.current!.trailers += `${line}\n`
    return true
  }

  private readHead(): boolean {
    const end = this.rest.indexOf('\r\n\r\n')
    if (end < 0) return false
    const [start, ...lines] = this.rest.slice(0, end).split('\r\n')
    this.rest = this.rest.slice(end + 4)
    if (!starts[this.kind].test(start!)) throw new Ambiguous(`the start line ${JSON.stringify(start)}`)
    const headers = lines.map((line) => {
      const parts = HEADER.exec(line)
      if (!parts) throw new Ambiguous(`the header line ${JSON.stringify(line)}`)
      return [parts[1]!.toLowerCase(), parts[2]!] as const
    })
    this.current = { start: start!, headers, body: '', trailers: '', complete: false }
    this.messages.push(this.current)
    this.startBody()
    return true
  }

  private startBody(): void {
    const message = this.current!
    const lengths = valuesOf(message, 'content-length')
    const encodings = valuesOf(message, 'transfer-encoding')
    if (lengths.length > 1) throw new Ambiguous('several Content-Length headers')
    if (encodings.length > 1) throw new Ambiguous('several Transfer-Encoding headers')
    if (lengths.length + encodings.length > 1) throw new Ambiguous('Content-Length beside Transfer-Encoding')
    if (lengths[0] !== undefined && !/^\d{1,15}$/.test(lengths[0])) throw new Ambiguous(`the length ${lengths[0]}`)
    if (encodings[0] !== undefined && encodings[0] !== 'chunked') throw new Ambiguous(`the encoding ${encodings[0]}`)
    if (this.kind === 'request' && valuesOf(message, 'host').length !== 1 && message.start.endsWith('1.1')) {
      throw new Ambiguous('not exactly one Host header')
    }
    const status = this.kind === 'response' ? Number(message.start.slice(9, 12)) : null
    if (status === 101) {
      message.complete = true
      this.switchProtocol()
      return
    }
    const interim = status !== null && status < 200
    const index = this.messages.filter(({ start }) => !/^HTTP\/1\.1 1/.test(start)).length - 1
    this.chunked = encodings.length > 0
    if (interim || status === 204 || status === 304 || this.isBodiless(index)) this.finish()
    else if (this.chunked) this.next = 'size'
    else if (lengths[0] !== undefined) this.next = Number(lengths[0])
    else if (status !== null) this.next = 'close'
    else this.finish()
    if (this.next === 0) this.finish()
  }

  private readCounted(left: number): boolean {
    const taken = Math.min(left, this.rest.length)
    if (!this.takeBody(taken)) return false
    this.next = left - taken
    if (this.next > 0) return true
    if (this.chunked) this.next = 'chunkEnd'
    else this.finish()
    return true
  }

  private readSize(line: string): void {
    if (!/^[0-9a-fA-F]{1,8}$/.test(line)) throw new Ambiguous(`the chunk size ${JSON.stringify(line)}`)
    const size = Number.parseInt(line, 16)
    this.next = size === 0 ? 'trailers' : size
  }

  private takeBody(length: number): boolean {
    if (length === 0) return false
    this.current!.body += this.rest.slice(0, length)
    this.rest = this.rest.slice(length)
    return true
  }

  private takeLine(): string | null {
    const end = this.rest.indexOf('\r\n')
    if (end < 0) return null
    const line = this.rest.slice(0, end)
    this.rest = this.rest.slice(end + 2)
    return line
  }

  private finish(): void {
    this.current!.complete = true
    this.next = 'head'
  }
}

export function valuesOf({ headers }: Message, name: string): string[] {
  return headers.filter(([key]) => key === name).map(([, value]) => value)
}
