// The dead letters of this mesher: read from the journal, so that looking at them takes them from nobody and locks nothing, and settled by
// the core. Each call does a bounded amount of work and says where to go on.

import { formatJsonEvent } from '../core/cloud-event-json.ts';
import type { CloudEvent } from '../core/cloud-event.ts';
import type { SubscriptionDelivery } from '../core/delivery.ts';
import { invariant, MeshError } from '../core/errors.ts';
import type { StoredEvent } from '../core/event.ts';
import type { DeadLetterView } from '../core/overview.ts';
import type { LoadedEntry } from '../core/ports.ts';
import type { HeldLetter, Input, Reply, RequestId } from '../core/steps.ts';
import { matches } from '../core/topic.ts';
import { decodeCloudEvent } from '../wire/cloud-event-protobuf.ts';
import { WireError } from '../wire/wire-error.ts';
import { FIRST_PLACE, formatPlace, type LetterPlace, parsePlace } from './letter-places.ts';

export interface LetterFilter {
  readonly subscription?: string;
  /** MQTT filter over the topics on which the letters had come. */
  readonly topic?: string;
  readonly source?: string;
}

/** A letter as its mesher tells of it. */
export type OwnLetter = Omit<DeadLetterView, 'at' | 'cluster'> & { readonly token: string };

export interface LetterPage {
  readonly letters: readonly OwnLetter[];
  /** All dead letters here, whatever the filter. */
  readonly total: number;
  /** Place from which the next page goes on; '' at the end. */
  readonly next: string;
}

export interface LettersSettled {
  readonly done: number;
  /** Letters that are as they were, and why. */
  readonly left: readonly { readonly why: string; readonly count: number }[];
  /** Of a filter: place from which to go on; '' when all has been looked at. */
  readonly next: string;
}

export interface OwnDeadLettersPorts {
  /** Where dead letters wait. */
  deadLetters(): readonly SubscriptionDelivery[];
  /** As a journal does (ports.ts). */
  load(queue: number, blocks: readonly number[]): Promise<LoadedEntry[]>;
  request(make: (request: RequestId) => Input): Promise<Reply>;
  /** Monotonic, ms. */
  now(): number;
}

/** Characters of an id, a source, a type that are shown: each may be as long as an event. */
const SHOWN_MAX = 1_024;
const BLOCKS_PER_LOAD = 16;
/** Letters looked at in one call, and for how long, ms: a filter may match none of 100,000. */
const SCAN_MAX = 5_000;
const SCAN_MS = 2_000;
/** Bytes of events looked at in one call: they are in memory until it is done. */
const SCAN_BYTES = 16 * 1024 * 1024;
/** Letters settled in one step of the core. */
const SETTLED_PER_STEP = 50;

interface Tally {
  done: number;
  readonly left: Map<string, number>;
}

function leave({ left }: Tally, why: string, count: number): void {
  if (count > 0) left.set(why, (left.get(why) ?? 0) + count);
}

function told({ done, left }: Tally, next: string): LettersSettled {
  return { done, left: [...left].map(([why, count]) => ({ why, count })), next };
}

/** A letter that waits, and where. */
export interface WaitingLetter extends LetterPlace {
  readonly letter: HeldLetter;
  readonly from: SubscriptionDelivery;
}

export class OwnDeadLetters {
  readonly #ports: OwnDeadLettersPorts;

  constructor(ports: OwnDeadLettersPorts) {
    this.#ports = ports;
  }

  get total(): number {
    return this.#ports.deadLetters().reduce((sum, { queue }) => sum + queue.depth, 0);
  }

  /** `after`: '' or a `next`. Rejects with `invalid-request`. */
  async page(filter: LetterFilter, after: string, limit: number): Promise<LetterPage> {
    if (limit === 0) return { letters: [], total: this.total, next: after };
    const { found, next } = await this.#scan(filter, after, limit);
    return { letters: found.map((one) => viewOf(one)), total: this.total, next };
  }

  /** One of them with its event in the JSON format of CloudEvents. Rejects with `not-found`, `invalid-request`. */
  async one(token: string): Promise<{ letter: OwnLetter; event: string }> {
    const place = placeOf(token);
    const [found] = await this.#find([place]);
    if (!found) throw new MeshError('not-found', `there is no dead letter ${token} on this mesher any more`);
    const event = decoded(found.letter.event);
    if (!event) throw new MeshError('not-found', 'what is stored of this dead letter is no event');
    return { letter: viewOf(found), event: formatJsonEvent(event) };
  }

  /** Rejects with `invalid-request`. */
  async settle(how: 'redrive' | 'drop', tokens: readonly string[]): Promise<LettersSettled> {
    const places = tokens.map(placeOf);
    const sum: Tally = { done: 0, left: new Map() };
    for (let at = 0; at < places.length; at += SETTLED_PER_STEP) {
      const asked = places.slice(at, at + SETTLED_PER_STEP);
      const found = await this.#find(asked);
      leave(sum, 'it is no dead letter any more', asked.length - found.length);
      await this.#settle(how, found, sum);
    }
    return told(sum, '');
  }

  /** As far as one call may look: `next` goes on. */
  async settleMatching(
    how: 'redrive' | 'drop',
    filter: LetterFilter,
    after: string,
  ): Promise<LettersSettled> {
    const { found, next } = await this.#scan(filter, after, SCAN_MAX);
    const sum: Tally = { done: 0, left: new Map() };
    await this.#settle(how, found, sum);
    return told(sum, next);
  }

  /** What the core refuses is left, and said. */
  async #settle(how: 'redrive' | 'drop', found: readonly WaitingLetter[], sum: Tally): Promise<void> {
    for (const [name, list] of Map.groupBy(found, ({ from }) => from.subscription.name)) {
      for (let at = 0; at < list.length; at += SETTLED_PER_STEP) {
        const letters = list.slice(at, at + SETTLED_PER_STEP).map(({ letter }) => letter);
        try {
          const reply = await this.#ports.request((request) => ({
            kind: 'dead-letters',
            request,
            name,
            how,
            letters,
          }));
          invariant(reply.kind === 'dead-letters-settled', 'the core answers what it was asked');
          sum.done += reply.done;
          for (const { why, count } of reply.left) leave(sum, why, count);
        } catch (error) {
          if (!(error instanceof MeshError)) throw error;
          leave(sum, error.message, letters.length);
        }
      }
    }
  }

  /** The queue's letters in order, from behind `after` on, as far as one call may look. */
  async #scan(
    filter: LetterFilter,
    after: string,
    limit: number,
  ): Promise<{ found: WaitingLetter[]; next: string }> {
    const start = after === '' ? FIRST_PLACE : placeOf(after);
    const until = this.#ports.now() + SCAN_MS;
    const found: WaitingLetter[] = [];
    let scanned = 0;
    let bytes = 0;
    let last = start;
    for (const from of this.#queuesFrom(start.queue)) {
      const { queue } = from;
      const first = queue.id === start.queue ? start : { ...FIRST_PLACE, queue: queue.id };
      for await (const one of this.#read(from, first.block)) {
        if (one.block === first.block && one.index <= first.index) continue;
        if (found.length >= limit || scanned >= SCAN_MAX || bytes >= SCAN_BYTES || this.#ports.now() > until)
          return { found, next: formatPlace(last) };
        scanned++;
        bytes += one.letter.event.bytes;
        last = one;
        if (fits(filter, one.letter.event)) found.push(one);
      }
    }
    return { found, next: '' };
  }

  #queuesFrom(queue: number): SubscriptionDelivery[] {
    return this.#ports
      .deadLetters()
      .filter((one) => one.queue.id >= queue)
      .sort((a, b) => a.queue.id - b.queue.id);
  }

  async *#read(from: SubscriptionDelivery, firstBlock: number): AsyncGenerator<WaitingLetter> {
    const { queue } = from;
    let next = firstBlock;
    for (;;) {
      const blocks: number[] = [];
      for (const block of queue.blocksFrom(next)) {
        blocks.push(block);
        if (blocks.length >= BLOCKS_PER_LOAD) break;
      }
      const lastAsked = blocks.at(-1);
      if (lastAsked === undefined) return;
      const entries = await this.#ports.load(queue.id, blocks);
      for (const entry of entries) yield* lettersOf(from, entry);
      // of many bytes only the first blocks come
      next = (entries.at(-1)?.block ?? lastAsked) + 1;
    }
  }

  /** Those of the places at which there still is a letter. */
  async #find(places: readonly LetterPlace[]): Promise<WaitingLetter[]> {
    const found: WaitingLetter[] = [];
    for (const from of this.#ports.deadLetters()) {
      const wanted = new Set(places.filter(({ queue }) => queue === from.queue.id).map(formatPlace));
      const blocks = new Set(places.filter(({ queue }) => queue === from.queue.id).map(({ block }) => block));
      const held: number[] = [];
      if (blocks.size > 0)
        for (const block of from.queue.blocksFrom(0)) if (blocks.has(block)) held.push(block);
      while (held.length > 0) {
        const entries = await this.#ports.load(from.queue.id, held.slice(0, BLOCKS_PER_LOAD));
        for (const entry of entries)
          for (const one of lettersOf(from, entry)) if (wanted.has(formatPlace(one))) found.push(one);
        const upTo = entries.at(-1)?.block ?? held[Math.min(held.length, BLOCKS_PER_LOAD) - 1] ?? Infinity;
        while ((held[0] ?? Infinity) <= upTo) held.shift();
      }
    }
    return found;
  }
}

/** The letters of one block, as the journal has them, that are not settled yet. */
export function* lettersOf(
  from: SubscriptionDelivery,
  { block, entry, events }: LoadedEntry,
): Generator<WaitingLetter> {
  for (const [at, event] of events.entries()) {
    const index = entry.indices[at];
    if (index === undefined || !from.queue.holds(block, index)) continue;
    yield {
      queue: from.queue.id,
      block,
      index,
      from,
      letter: { block, index, wanted: entry.indices, event },
    };
  }
}

function placeOf(token: string): LetterPlace {
  const place = parsePlace(token);
  if (!place)
    throw new MeshError('invalid-request', `${JSON.stringify(token.slice(0, 60))} names no dead letter`);
  return place;
}

function fits({ subscription, topic, source }: LetterFilter, event: StoredEvent): boolean {
  const { deadLetter } = event;
  if (subscription !== undefined && deadLetter?.subscription !== subscription) return false;
  if (topic !== undefined && !matches(topic, deadLetter?.topic ?? event.topic)) return false;
  return source === undefined || decoded(event)?.source === source;
}

/** Undefined: what is stored is no event; that is why it is a dead letter. */
function decoded(event: StoredEvent): CloudEvent | undefined {
  try {
    return decodeCloudEvent(event.cloudEvent);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

function viewOf({ letter, ...place }: WaitingLetter): OwnLetter {
  const { event } = letter;
  const { deadLetter } = event;
  const content = decoded(event);
  return {
    token: formatPlace(place),
    source: content?.source.slice(0, SHOWN_MAX) ?? '',
    id: content?.id.slice(0, SHOWN_MAX) ?? '',
    type: content?.type.slice(0, SHOWN_MAX) ?? '',
    topic: deadLetter?.topic ?? event.topic,
    subscription: deadLetter?.subscription ?? '',
    reason: deadLetter?.reason ?? '',
    attempts: deadLetter?.attempts ?? 0,
    acceptedAt: event.acceptedAt,
    bytes: event.cloudEvent.length,
  };
}
