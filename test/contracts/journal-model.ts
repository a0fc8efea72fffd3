// Random but sensible batches for two journals to be compared with: fast-check draws numbers, `Interpreter` turns
// them into operations that the core could have asked for, so that shrinking always leaves a sensible sequence.

import fc from 'fast-check';
import type { Directive } from '../../node/core/event.ts';
import type { JournalOp, QueueEntry } from '../../node/core/ports.ts';
import { storedEvent } from '../support/events.ts';
import { member, subscription } from './journal-contract.ts';

export interface Draw {
  readonly kind: (typeof KINDS)[number];
  readonly a: number;
  readonly b: number;
  readonly indices: readonly number[];
  readonly text: string;
}

export type Step = { readonly draws: readonly Draw[]; readonly sync: boolean } | 'reopen';

const KINDS = [
  'block',
  'block',
  'entry',
  'entry',
  'settle',
  'drop-entry',
  'drop-block',
  'queue',
  'drop-queue',
  'mark',
  'subscription',
  'member',
  'routes',
  'routes',
] as const;

const draw: fc.Arbitrary<Draw> = fc.record({
  kind: fc.constantFrom(...KINDS),
  a: fc.nat({ max: 7 }),
  b: fc.nat(),
  indices: fc.uniqueArray(fc.nat({ max: 40 }), { minLength: 1, maxLength: 20 }),
  text: fc.string({ unit: 'grapheme', maxLength: 12 }),
});

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ draws: fc.array(draw, { maxLength: 8 }), sync: fc.boolean() }) },
    { weight: 1, arbitrary: fc.constant('reopen' as const) },
  ),
  { minLength: 1, maxLength: 25 },
);

export class Interpreter {
  /** Events in each block on disk, and the blocks that each queue wants. */
  readonly blocks = new Map<number, number>();
  readonly queues = new Map<number, Map<number, readonly number[]>>();
  #nextBlock = 0;
  #sequence = 0;

  ops(draws: readonly Draw[]): JournalOp[] {
    return draws.flatMap((each) => this.#op(each));
  }

  #op({ kind, a, b, indices, text }: Draw): JournalOp[] {
    const queue = pick([...this.queues.keys()], b);
    const entries =
      (queue === undefined ? undefined : this.queues.get(queue)) ?? new Map<number, readonly number[]>();
    const block = pick([...this.blocks.keys()], a);
    const wanted = pick([...entries.keys()], a);
    switch (kind) {
      case 'block': {
        const events = indices.map((bytes) =>
          storedEvent({ sequence: this.#sequence++, key: text, bytes: bytes * a }),
        );
        this.#nextBlock += b % 3;
        this.blocks.set(this.#nextBlock, events.length);
        return [{ op: 'block', block: this.#nextBlock++, events }];
      }
      case 'entry': {
        const count = this.blocks.get(block ?? -1) ?? 0;
        const fitting = [...new Set(indices.map((index) => index % count))].sort((x, y) => x - y);
        if (queue === undefined || block === undefined) return [];
        entries.set(block, fitting);
        return [{ op: 'entry', queue, block, entry: entryOf(fitting, b, text) }];
      }
      case 'settle': {
        const left = entries.get(wanted ?? -1)?.slice(1) ?? [];
        if (queue === undefined || wanted === undefined || left.length === 0) return [];
        entries.set(wanted, left);
        return [{ op: 'entry', queue, block: wanted, entry: entryOf(left, b, text) }];
      }
      case 'drop-entry':
        if (queue === undefined || wanted === undefined) return [];
        entries.delete(wanted);
        return [{ op: 'drop-entry', queue, block: wanted }];
      case 'drop-block': {
        const free = [...this.blocks.keys()].filter(
          (each) => ![...this.queues.values()].some((of) => of.has(each)),
        );
        const dropped = pick(free, a);
        if (dropped === undefined) return [];
        this.blocks.delete(dropped);
        return [{ op: 'drop-block', block: dropped }];
      }
      case 'queue': {
        const number = a * 100;
        if (!this.queues.has(number)) this.queues.set(number, new Map());
        return [{ op: 'queue', queue: number, name: text }];
      }
      case 'drop-queue':
        if (queue === undefined) return [];
        this.queues.delete(queue);
        return [{ op: 'drop-queue', queue }];
      case 'mark': {
        const position = { incarnation: a, sequence: b };
        return [{ op: 'mark', sender: text, scope: b % 2 === 0 ? 'cluster' : 'peer', lane: a, position }];
      }
      case 'subscription': {
        const name = `${text}${a}`;
        if (b % 3 === 0) return [{ op: 'drop-subscription', name }];
        return [{ op: 'subscription', subscription: subscription(name, b % 2 === 0 ? { group: text } : {}) }];
      }
      case 'member': {
        const node = `node-${a}`;
        return b % 3 === 0
          ? [{ op: 'drop-member', node }]
          : [{ op: 'member', member: member(node, { labels: { [text]: text } }) }];
      }
      case 'routes': {
        const node = b % 2 === 0 ? `node-${a}` : text;
        if (b % 7 === 0) return [{ op: 'drop-routes', node }];
        const interests = indices.map((each) => ({
          filter: `${text}/${each}`,
          group: each % 2 === 0 ? text : '',
        }));
        return [{ op: 'routes', node, bucket: (b * 101) % 256, interests: b % 5 === 0 ? [] : interests }];
      }
    }
  }
}

function entryOf(indices: readonly number[], b: number, text: string): QueueEntry {
  if (b % 2 === 0) return { indices, first: undefined, directives: [] };
  const directive: Directive = { groups: b % 3 === 0 ? 'only' : 'except', names: [text] };
  const directives = indices.flatMap((_, from) => (from % ((b % 4) + 1) === 0 ? [{ from, directive }] : []));
  return { indices, first: { incarnation: b, sequence: b * 3 }, directives };
}

function pick(numbers: readonly number[], by: number): number | undefined {
  return numbers.length === 0 ? undefined : numbers[by % numbers.length];
}
