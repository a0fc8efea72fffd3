// When all route tables have what one mesher announced.

import type { NodeId } from '../../../node/core/event.ts';
import type { FabricEvents, Station } from './fabric.ts';

interface Change {
  readonly owner: NodeId;
  readonly sequence: number;
  readonly at: number;
  readonly left: Set<NodeId>;
}

export class Convergence implements FabricEvents {
  #pending: Change[] = [];
  #tookMs: number[] = [];
  watching = false;
  readonly #now: () => number;
  readonly #nodes: () => Iterable<NodeId>;

  constructor(now: () => number, nodes: () => Iterable<NodeId>) {
    this.#now = now;
    this.#nodes = nodes;
  }

  announced({ node, core }: Station): void {
    if (!this.watching) return;
    const left = new Set(this.#nodes());
    left.delete(node);
    this.#pending.push({ owner: node, sequence: core.table.describe(node).sequence, at: this.#now(), left });
  }

  stepped({ node, core }: Station): void {
    let isDone = false;
    for (const change of this.#pending) {
      if (!change.left.has(node) || core.table.describe(change.owner).sequence < change.sequence) continue;
      change.left.delete(node);
      if (change.left.size > 0) continue;
      this.#tookMs.push(this.#now() - change.at);
      isDone = true;
    }
    if (isDone) this.#pending = this.#pending.filter(({ left }) => left.size > 0);
  }

  get pending(): number {
    return this.#pending.length;
  }

  /** What each change that all have took, ascending; and forgets them. */
  take(): number[] {
    const took = this.#tookMs.sort((a, b) => a - b);
    this.#tookMs = [];
    return took;
  }
}
