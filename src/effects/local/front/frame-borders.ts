/**
 * Follows the borders between the frames of one direction of a WebSocket without looking at what is in them.
 *
 * @see RFC 6455, section 5.2
 */
export class FrameBorders {
  private header: number[] = []
  private payloadLeft = 0

  /** Between two frames: the only place where a frame of our own may stand. */
  get atBorder(): boolean {
    return this.payloadLeft === 0 && this.header.length === 0
  }

  /** @returns offset just after the first frame that ends in the chunk, or -1 */
  follow(chunk: Uint8Array): number {
    let firstBorder = -1
    let offset = 0
    while (offset < chunk.length) {
      if (this.payloadLeft > 0) {
        const step = Math.min(this.payloadLeft, chunk.length - offset)
        offset += step
        this.payloadLeft -= step
      } else {
        this.takeHeaderByte(chunk[offset++]!)
      }
      if (firstBorder < 0 && this.atBorder) firstBorder = offset
    }
    return firstBorder
  }

  private takeHeaderByte(byte: number): void {
    this.header.push(byte)
    const [, second] = this.header
    if (second === undefined) return
    const shortLength = second & 0x7f
    const lengthBytes = shortLength === 127 ? 8 : shortLength === 126 ? 2 : 0
    const maskBytes = second & 0x80 ? 4 : 0
    if (this.header.length < 2 + lengthBytes + maskBytes) return
    const long = this.header.slice(2, 2 + lengthBytes).reduce((length, next) => length * 256 + next, 0)
    this.payloadLeft = lengthBytes > 0 ? long : shortLength
    this.header = []
  }
}
