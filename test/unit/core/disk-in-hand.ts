// A journal for tests that decide themselves when a batch is on disk: what the core appends and loads waits here until
// the test says go.

import { BlockList } from '../../../node/core/block-list.ts';
import type { StoredEvent } from '../../../node/core/event.ts';
import type { JournalOp, LoadedEntry, QueueEntry, Recovered } from '../../../node/core/ports.ts';

export class DiskInHand {
  readonly blocks = new Map<number, readonly StoredEvent[]>();
  /** queue → block → entry */
  readonly entries = new Map<number, Map<number, QueueEntry>>();
  readonly queues = new Map<number, string>();
  readonly marks = new Map<string, Recovered['marks'][number]>();
  nextBlock = 1;

  apply(ops: readonly JournalOp[]): void {
    for (const op of ops) {
      if (op.op === 'block') {
        this.blocks.set(op.block, op.events);
        this.nextBlock = Math.max(this.nextBlock, op.block + 1);
      } else if (op.op === 'drop-block') this.blocks.delete(op.block);
      else if (op.op === 'entry') this.#of(op.queue).set(op.block, op.entry);
      else if (op.op === 'drop-entry') this.#of(op.queue).delete(op.block);
      else if (op.op === 'mark') {
        const { sender, scope, lane, position } = op;
        this.marks.set(`${sender} ${scope} ${lane}`, { sender, scope, lane, position });
      } else if (op.op === 'queue') this.queues.set(op.queue, op.name);
      else if (op.op === 'drop-queue') this.queues.delete(op.queue);
    }
  }

  #of(queue: number): Map<number, QueueEntry> {
    const known = this.entries.get(queue) ?? new Map<number, QueueEntry>();
    this.entries.set(queue, known);
    return known;
  }

  load(queue: number, blocks: readonly number[]): LoadedEntry[] {
    return blocks.flatMap((block) => {
      const entry = this.#of(queue).get(block);
      const events = this.blocks.get(block);
      if (!entry || !events) return [];
      return [{ block, entry, events: entry.indices.flatMap((index) => events[index] ?? []) }];
    });
  }

  /** All events that a queue still wants, in order. */
  wanted(queue: number): StoredEvent[] {
    const blocks = [...this.#of(queue).keys()].sort((a, b) => a - b);
    return this.load(queue, blocks).flatMap(({ events }) => [...events]);
  }

  recovered(queue: number): Recovered['queues'][number]['blocks'] {
    const entries = [...this.#of(queue)].sort(([a], [b]) => a - b);
    return new BlockList(
      entries.map(([block, { indices, first }]) => ({ block, count: indices.length, first })),
    );
  }
}
