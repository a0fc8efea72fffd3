// Networks under test, and what they told. The implementation is handed in, so that every one can be held to the contract.

import assert from 'node:assert/strict';
import type { LinkMessage } from '../../node/core/messages.ts';
import type { Network, NetworkEvents } from '../../node/core/ports.ts';

const PATIENCE_MS = 60_000;

export type Told =
  | {
      readonly what: 'up';
      readonly peer: string;
      readonly cluster: string;
      readonly incarnation: number;
      readonly version: number;
    }
  | { readonly what: 'down'; readonly peer: string; readonly reason: string }
  | { readonly what: 'stranger' | 'drained'; readonly peer: string }
  | { readonly what: 'refused'; readonly peer: string | undefined; readonly reason: string };

/** One mesher's network with a log of all it was told. `until` waits, event by event. */
export class Node implements NetworkEvents {
  readonly id: string;
  readonly network: Network;
  readonly told: Told[] = [];
  readonly heard: string[] = [];
  readonly up = new Set<string>();
  received: LinkMessage[] = [];
  onMessage: (peer: string, message: LinkMessage) => void = (_, message) => void this.received.push(message);
  #waiting: (() => void)[] = [];

  constructor(id: string, network: Network) {
    this.id = id;
    this.network = network;
  }

  async start(): Promise<this> {
    await this.network.start(this);
    return this;
  }

  connect(other: Node): void {
    this.network.connect(other.id, other.network.addresses);
  }

  linkUp(peer: string, hello: { cluster: string; incarnation: number; version: number }): void {
    assert(!this.up.has(peer), 'linkUp once');
    this.up.add(peer);
    this.#tell({ what: 'up', peer, ...hello });
  }

  linkDown(peer: string, reason: string): void {
    assert(this.up.delete(peer), 'linkDown after linkUp, once');
    this.#tell({ what: 'down', peer, reason });
  }

  messages(peer: string, messages: readonly LinkMessage[]): void {
    assert(this.up.has(peer), 'messages only while the link is up');
    for (const message of messages) this.onMessage(peer, message);
    this.#wake();
  }

  gossip(bytes: Uint8Array): void {
    this.heard.push(Buffer.from(bytes).toString());
    this.#wake();
  }

  stranger(peer: string): void {
    this.#tell({ what: 'stranger', peer });
  }

  drained(peer: string): void {
    this.#tell({ what: 'drained', peer });
  }

  refused(peer: string | undefined, reason: string): void {
    this.#tell({ what: 'refused', peer, reason });
  }

  reasons(): string[] {
    return this.told.flatMap((each) => (each.what === 'refused' ? [each.reason] : []));
  }

  count(what: Told['what'], peer?: string): number {
    return this.told.filter((each) => each.what === what && (peer === undefined || each.peer === peer))
      .length;
  }

  async until(holds: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!holds()) {
      const left = deadline - performance.now();
      assert(left > 0, `in vain: ${what}; told ${JSON.stringify(this.told.slice(-20))}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  #tell(told: Told): void {
    this.told.push(told);
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

export function allowAll(...nodes: Node[]): void {
  for (const node of nodes) node.network.allow(new Set(nodes.map((each) => each.id)));
}

/** All allowed, all dialling all, all up. */
export async function join(...nodes: Node[]): Promise<void> {
  allowAll(...nodes);
  for (const node of nodes) for (const other of nodes) if (other !== node) node.connect(other);
  for (const node of nodes) {
    await node.until(
      () => nodes.every((other) => other === node || node.up.has(other.id)),
      'all links are up',
    );
  }
}
