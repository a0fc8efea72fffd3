// Questions to a peer over its link's connection: one stream for each, the question on it, then the answer, each behind its length
// (four bytes, big-endian). Beside the link, and never in its way: a question that fails fails alone. What is asked and answered is
// bytes here (node/observe/questions.ts).

import { type Connection, type Stream, UnsupportedProtocolError } from '@libp2p/interface';
import type { NodeId } from '../core/event.ts';

/** Answers a peer, in at most `bytesMax`: more it would not read. What it throws ends the question without an answer. */
export type Answer = (peer: NodeId, question: Uint8Array, bytesMax: number) => Promise<Uint8Array>;

/** Nobody answered, or not as agreed: one sentence for people. */
export class Unanswered extends Error {}

const QUESTION_BYTES_MAX = 64 * 1024;
/** Bytes of an answer. A longer one is no answer to whoever asked: lists are cut, far below it, by whoever gives them. */
export const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
/** From the question's first byte to the answer's last. */
const PATIENCE_MS = 15_000;
/** Of one peer, answered at the same time. More are refused: each may cost a look through a queue. */
const UNDER_WAY_MAX = 8;
/** Asked of one peer at the same time: below what it takes, which counts a question until its stream is closed. The others wait. */
const ASKED_MAX = 6;
/** Questions to one peer that wait for their turn. More are not asked. */
const WAITING_MAX = 256;
const LENGTH_BYTES = 4;
/** Sent at a time, so that acks and keep-alives get their turn on the connection. */
const PIECE_BYTES = 32 * 1024;

export class Asking {
  readonly #protocol: string;
  readonly #answer: Answer;
  readonly #underWay = new Map<NodeId, number>();
  readonly #asked = new Map<NodeId, { underWay: number; readonly waiting: (() => void)[] }>();

  constructor(protocol: string, answer: Answer) {
    this.#protocol = protocol;
    this.#answer = answer;
  }

  /** A peer asks. Never rejects. */
  async take(stream: Stream, connection: Connection): Promise<void> {
    const peer = connection.remotePeer.toString();
    const underWay = this.#underWay.get(peer) ?? 0;
    if (underWay >= UNDER_WAY_MAX) return stream.abort(new Error('too many questions at once'));
    this.#underWay.set(peer, underWay + 1);
    const signal = AbortSignal.timeout(PATIENCE_MS);
    try {
      const question = await readWhole(stream, QUESTION_BYTES_MAX, signal);
      await sendWhole(stream, await this.#answer(peer, question, ANSWER_BYTES_MAX), signal);
      await stream.close({ signal });
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error(String(error)));
    } finally {
      const left = (this.#underWay.get(peer) ?? 1) - 1;
      if (left > 0) this.#underWay.set(peer, left);
      else this.#underWay.delete(peer);
    }
  }

  /** Rejects with `Unanswered`. */
  async ask(connection: Connection, question: Uint8Array): Promise<Uint8Array> {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const peer = connection.remotePeer.toString();
    const asked = this.#asked.get(peer) ?? { underWay: 0, waiting: [] };
    this.#asked.set(peer, asked);
    if (asked.waiting.length >= WAITING_MAX) throw new Unanswered('too many questions to it wait already');
    if (asked.underWay < ASKED_MAX) asked.underWay++;
    else await new Promise<void>((resolve) => asked.waiting.push(resolve));
    try {
      return await this.#askNow(connection, question, signal);
    } finally {
      const next = asked.waiting.shift();
      if (next)
        next(); // in the same place
      else if (--asked.underWay === 0) this.#asked.delete(peer);
    }
  }

  async #askNow(connection: Connection, question: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    let stream: Stream | undefined;
    try {
      stream = await connection.newStream(this.#protocol, { signal });
      await sendWhole(stream, question, signal);
      const answer = await readWhole(stream, ANSWER_BYTES_MAX, signal);
      await stream.close({ signal });
      return answer;
    } catch (error) {
      const cause = error instanceof Error ? error : new Error(String(error));
      stream?.abort(cause);
      throw new Unanswered(whyNot(cause, signal), { cause });
    }
  }
}

function whyNot(cause: Error, signal: AbortSignal): string {
  if (cause instanceof UnsupportedProtocolError) return 'it is of a version that answers no questions';
  if (signal.aborted) return `it did not answer within ${PATIENCE_MS / 1000} s`;
  return `it gave no answer: ${cause.message}`;
}

async function sendWhole(stream: Stream, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(bytes.length);
  for (let at = -1; at < bytes.length;) {
    const piece = at < 0 ? length : bytes.subarray(at, at + PIECE_BYTES);
    at = at < 0 ? 0 : at + piece.length;
    if (!stream.send(piece)) await stream.onDrain({ signal });
  }
}

async function readWhole(stream: Stream, bytesMax: number, signal: AbortSignal): Promise<Uint8Array> {
  const giveUp = (): void => stream.abort(new Error('it took too long'));
  signal.throwIfAborted();
  signal.addEventListener('abort', giveUp, { once: true });
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stream) {
      const part = chunk instanceof Uint8Array ? chunk : chunk.subarray();
      parts.push(part);
      bytes += part.length;
      if (bytes < LENGTH_BYTES) continue;
      const length = Buffer.concat(parts, LENGTH_BYTES).readUInt32BE();
      if (length > bytesMax || bytes - LENGTH_BYTES > length) throw new Error('it said more than agreed');
      if (bytes - LENGTH_BYTES === length) return Buffer.concat(parts).subarray(LENGTH_BYTES);
    }
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
  throw new Error('it said less than agreed');
}
