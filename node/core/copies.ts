// The holding side of replication: copies of other meshers' journals, each kept as its owner sends it. What it means is not looked
// into here: it is for the day when the owner is gone.
//
// Invariants. A copy takes its owner's batches in order and whole; what does not follow on what it has is not taken, and the
// owner told where the copy stands. An ack names only what is on disk.

import type { Counters } from './counters.ts';
import type { NodeId } from './event.ts';
import { COPY_COMPLETE, type CopyBatch, type CopyRange, type CopyStart } from './messages.ts';
import type { CopyChange, CopyHead, RecoveredCopy } from './ports.ts';
import type { Emit } from './steps.ts';

interface Copy {
  readonly owner: NodeId;
  /** What is on disk. */
  written: CopyHead;
  /** What was handed to the disk; runs ahead of `written`. */
  taken: CopyHead;
  /** Parts of the batch after `taken.batch` that have come. */
  parts: number;
  /** Heads of the writes under way, in order. */
  readonly writing: CopyHead[];
  /** The owner was told where the copy stands, and what it sends until it answers is of the past. */
  told: boolean;
  /** It is being taken over: nothing more is written to it. */
  isSealed: boolean;
  /** It asked while writes were under way: it is answered when they are done. */
  asked: boolean;
}

export interface CopiesOptions {
  readonly cluster: string;
  readonly counters: Counters;
  readonly emit: Emit;
  readonly clusterOf: (node: NodeId) => string | undefined;
}

/** Of a mesher of which nothing is held. */
export const NO_COPY: CopyHead = {
  incarnation: 0,
  batch: 0,
  cursor: '',
  pastBlock: 0,
  startBlock: 0,
  nextBlock: 0,
};

export class Copies {
  readonly #options: CopiesOptions;
  readonly #copies = new Map<NodeId, Copy>();

  constructor(options: CopiesOptions) {
    this.#options = options;
  }

  recover(copies: readonly RecoveredCopy[]): void {
    for (const { owner, head } of copies) this.#copies.set(owner, newCopy(owner, head));
  }

  /** Those of which something is on disk. */
  all(): RecoveredCopy[] {
    const held = [...this.#copies.values()].filter(({ written }) => written !== NO_COPY);
    return held.map(({ owner, written }) => ({ owner, head: written }));
  }

  /** The owner has a new link, or starts anew. */
  open(owner: NodeId): void {
    if (this.#options.clusterOf(owner) !== this.#options.cluster) {
      this.#options.counters.add('messages_refused_total', 1, 'copy-of-stranger');
      return;
    }
    let copy = this.#copies.get(owner);
    if (!copy) this.#copies.set(owner, (copy = newCopy(owner, NO_COPY)));
    if (copy.isSealed) return;
    if (copy.writing.length > 0) copy.asked = true;
    else this.#tell(copy);
  }

  #tell(copy: Copy): void {
    copy.asked = false;
    copy.parts = 0;
    copy.told = true;
    const { incarnation, batch, cursor, pastBlock } = copy.written;
    this.#options.emit({
      kind: 'control',
      peer: copy.owner,
      message: { kind: 'copy-ready', incarnation, batch, cursor, hasPast: pastBlock > 0 },
    });
  }

  /** What is known of the owner's past is older than what comes now, but stays until it is overwritten. */
  start(owner: NodeId, { incarnation, batch, nextBlock }: CopyStart): void {
    const copy = this.#copies.get(owner);
    if (!copy || copy.isSealed) return this.#refuse();
    copy.parts = 0;
    const { cursor, nextBlock: end, pastBlock: before } = copy.taken;
    const pastBlock = cursor === COPY_COMPLETE ? end : before;
    const head = { incarnation, batch, cursor: '', pastBlock, startBlock: nextBlock, nextBlock };
    this.#write(copy, head, undefined);
  }

  batch(owner: NodeId, message: CopyBatch): void {
    const copy = this.#copies.get(owner);
    if (!copy || copy.isSealed) return this.#refuse();
    const { incarnation, batch, part, last, nextBlock, content } = message;
    const { taken } = copy;
    if (incarnation !== taken.incarnation || batch !== taken.batch + 1 || part !== copy.parts)
      return this.#missed(copy);
    copy.told = false;
    copy.parts = last ? 0 : part + 1;
    this.#write(copy, last ? { ...taken, batch, nextBlock } : taken, {
      content,
      isPart: !last,
      range: undefined,
    });
  }

  range(owner: NodeId, { incarnation, from, to, content }: CopyRange): void {
    const copy = this.#copies.get(owner);
    if (!copy || copy.isSealed) return this.#refuse();
    const { taken } = copy;
    if (incarnation !== taken.incarnation || from !== taken.cursor || copy.parts > 0)
      return this.#missed(copy);
    copy.told = false;
    this.#write(copy, { ...taken, cursor: to }, { content, isPart: false, range: { from, to } });
  }

  /** Said once: what is on its way already may not follow, either. */
  #missed(copy: Copy): void {
    this.#options.counters.add('copies_gaps_total', 1);
    if (copy.told) return;
    copy.told = true;
    if (copy.writing.length > 0) copy.asked = true;
    else this.#tell(copy);
  }

  #refuse(): void {
    this.#options.counters.add('messages_refused_total', 1, 'copy-not-opened');
  }

  #write(copy: Copy, head: CopyHead, change: CopyChange | undefined): void {
    copy.taken = head;
    copy.writing.push(head);
    this.#options.emit({ kind: 'copy-write', owner: copy.owner, head, change });
  }

  written(owner: NodeId, head: CopyHead): void {
    const copy = this.#copies.get(owner);
    if (copy?.writing[0] !== head) return; // of one that was dropped, and begun anew, while it was written
    copy.writing.shift();
    const isNews = head !== copy.written;
    copy.written = head;
    const { incarnation, batch, cursor, pastBlock } = head;
    if (isNews)
      this.#options.emit({
        kind: 'control',
        peer: owner,
        message: { kind: 'copy-ack', incarnation, batch, cursor, hasPast: pastBlock > 0 },
      });
    if (copy.asked && copy.writing.length === 0) this.#tell(copy);
  }

  /** What it holds now is taken over: its owner, should it come back, finds another. */
  seal(owner: NodeId): void {
    const copy = this.#copies.get(owner);
    if (copy) copy.isSealed = true;
  }

  unseal(owner: NodeId): void {
    const copy = this.#copies.get(owner);
    if (copy) copy.isSealed = false;
  }

  /** The owner has others now. */
  dismissed(owner: NodeId): void {
    if (this.#copies.get(owner)?.isSealed !== true) this.drop(owner);
  }

  /**
   * It cannot be relied on: its owner, who is there, sends it anew. One whose owner is away, or that is being taken over, stays, and is
   * moved as far as it can be read: nothing that is sound is given up, and there may be no other.
   */
  damaged(owner: NodeId, isLinked: boolean): void {
    const copy = this.#copies.get(owner);
    if (!copy || copy.isSealed || !isLinked) return;
    this.#copies.delete(owner);
    this.#options.emit({ kind: 'copy-aside', owner });
    this.open(owner);
  }

  drop(owner: NodeId): void {
    if (!this.#copies.delete(owner)) return;
    this.#options.emit({ kind: 'copy-drop', owner });
  }
}

function newCopy(owner: NodeId, head: CopyHead): Copy {
  return {
    owner,
    written: head,
    taken: head,
    parts: 0,
    writing: [],
    told: false,
    asked: false,
    isSealed: false,
  };
}
