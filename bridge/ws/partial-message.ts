// How many bytes one connection holds of a message that is not whole yet, from what can be seen outside of the WebSocket library:
// the chunks that come, and the messages that end in them. Exact, but for messages in fragments, whose headers it cannot know: there
// it is too high by at most one chunk.

const HEADER_BYTES_MIN = 6;

export class PartialMessage {
  #bytes = 0;
  /** Of what ended in the chunk under way. */
  #endedBytes = 0;
  #messages = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** How many have become whole. */
  get messages(): number {
    return this.#messages;
  }

  /** A message, or a ping or pong, of this payload is whole: told while its last chunk is taken. */
  ended(payloadBytes: number): void {
    const lengthBytes = payloadBytes < 126 ? 0 : payloadBytes < 65_536 ? 2 : 8;
    this.#messages++;
    this.#endedBytes += HEADER_BYTES_MIN + lengthBytes + payloadBytes;
  }

  /** The chunk has been taken. */
  chunk(bytes: number): void {
    const left = Math.max(0, this.#bytes + bytes - this.#endedBytes);
    this.#bytes = this.#endedBytes === 0 ? left : Math.min(left, bytes);
    this.#endedBytes = 0;
  }
}
