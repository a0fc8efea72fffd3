// What meshers ask each other to show a federation as a whole: a kind and its parameters as JSON, an answer as JSON. A peer may be of
// another version, or lie: both ends check what they hear against a schema, and nothing but what is shown rests on it.

import type { TSchema, Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { MeshError } from '../core/errors.ts';
import type { NodeId } from '../core/event.ts';
import type { DeepReadonly } from './deep-readonly.ts';

/** One kind of question. `answer` may hold more than the schema names: a newer mesher says more. */
export interface Question<Asked extends TSchema, Told extends TSchema> {
  readonly kind: string;
  readonly asked: Asked;
  readonly told: Told;
  /** Bytes of an answer that are looked at; left out: as many as come. */
  readonly toldBytesMax?: number;
}

/** How bytes get to a peer and back: rejects with one sentence for people. */
export interface Asker {
  ask(peer: NodeId, question: Uint8Array): Promise<Uint8Array>;
}

/** An answer came, and is of no use: the next will hardly be better. */
export class UnusableAnswer extends Error {}

/** The peer says why it does not answer this. */
export class Refused extends Error {}

/** Characters of a peer's reason that are passed on. */
const REFUSAL_MAX = 500;

type Handler = (peer: NodeId, asked: unknown) => Promise<unknown>;

const checks = new WeakMap<TSchema, { Check(value: unknown): boolean }>();

export class Questions {
  readonly #handlers = new Map<string, Handler>();
  #asker: Asker | undefined;

  /** Before it, nobody is asked. */
  through(asker: Asker): void {
    this.#asker = asker;
  }

  /** Who answers a kind of question, of peers; one only. What it throws as a `MeshError` the peer is told. */
  on<Asked extends TSchema, Told extends TSchema>(
    { kind, asked }: Question<Asked, Told>,
    answer: (
      peer: NodeId,
      asked: Static<Asked>,
    ) => Promise<DeepReadonly<Static<Told>>> | DeepReadonly<Static<Told>>,
  ): void {
    this.#handlers.set(kind, async (peer, value) => {
      if (!fits(asked, value)) throw new MeshError('invalid-request', `this is no question of kind ${kind}`);
      return answer(peer, value);
    });
  }

  /** Rejects with an error whose message says, in one sentence, why there is no answer. */
  async ask<Asked extends TSchema, Told extends TSchema>(
    peer: NodeId,
    { kind, told, toldBytesMax = Infinity }: Question<Asked, Told>,
    asked: Static<Asked>,
  ): Promise<Static<Told>> {
    if (!this.#asker) throw new Error('this mesher is still starting');
    const bytes = await this.#asker.ask(peer, Buffer.from(JSON.stringify({ kind, asked })));
    if (bytes.length > toldBytesMax)
      throw new UnusableAnswer(
        `its answer has ${bytes.length} bytes, more than the ${toldBytesMax} looked at`,
      );
    const reply = parse(bytes);
    if (!isObject(reply)) throw new UnusableAnswer('its answer is none');
    if (typeof reply['refused'] === 'string')
      throw new Refused(`it refused: ${reply['refused'].slice(0, REFUSAL_MAX)}`);
    if (!fits(told, reply['told']))
      throw new UnusableAnswer('its answer is not what this mesher understands');
    return reply['told'];
  }

  /** For the network: answers the bytes of a peer's question, in at most `bytesMax`. Rejects only with a bug. */
  readonly answer = async (peer: NodeId, bytes: Uint8Array, bytesMax: number): Promise<Uint8Array> => {
    const reply = Buffer.from(JSON.stringify(await this.#reply(peer, parse(bytes))));
    if (reply.length <= bytesMax) return reply;
    const refused = `the answer has ${reply.length} bytes, and at most ${bytesMax} are read; ask for less`;
    return Buffer.from(JSON.stringify({ refused }));
  };

  async #reply(peer: NodeId, question: unknown): Promise<object> {
    try {
      const kind = isObject(question) ? question['kind'] : undefined;
      const handler = typeof kind === 'string' ? this.#handlers.get(kind) : undefined;
      if (!handler || !isObject(question)) return { refused: 'a question that this mesher does not know' };
      return { told: await handler(peer, question['asked']) };
    } catch (error) {
      if (error instanceof MeshError) return { refused: error.message };
      throw error;
    }
  }
}

function fits<Schema extends TSchema>(schema: Schema, value: unknown): value is Static<Schema> {
  let check = checks.get(schema);
  if (!check) checks.set(schema, (check = Compile(schema)));
  return check.Check(value);
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
