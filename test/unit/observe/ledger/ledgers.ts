// A lane from one mesher to a cluster of two, as their ledgers see it: frames, acks and batches are made up here, and so are faults.

import type { Position, StoredEvent } from '../../../../node/core/event.ts';
import { START } from '../../../../node/core/event.ts';
import type { JournalOp, Recovered } from '../../../../node/core/ports.ts';
import type { Effect, Input } from '../../../../node/core/steps.ts';
import { Comparison, type ComparisonPorts } from '../../../../node/observe/ledger/comparison.ts';
import type { Difference } from '../../../../node/observe/ledger/difference.ts';
import { Ledger } from '../../../../node/observe/ledger/ledger.ts';

export const SENDER = 's';
export const LIFE = 7;
export const LANE = { scope: 'cluster', lane: 0 } as const;
export const QUEUE = 1;

/** A ledger, with what it said. */
export class Kept {
  readonly ledger: Ledger;
  readonly comparison: Comparison;
  readonly ports: ComparisonPorts;
  readonly found: Difference[] = [];
  readonly node: string;
  told: (difference: Difference) => void = () => undefined;
  held: number | undefined;
  linked: readonly string[] = [];

  constructor(node: string, incarnation: number, recovered: Partial<Recovered> = {}) {
    this.node = node;
    const clusterOf = (peer: string): string => (peer === SENDER ? 'a' : 'b');
    this.ledger = new Ledger(incarnation, {
      clusterOf,
      heirOf: () => undefined,
      isGuest: () => false,
      held: () => this.held,
      differs: (difference) => {
        this.found.push(difference);
        this.told(difference);
      },
    });
    this.ports = {
      ledger: this.ledger,
      linked: () => this.linked,
      clusterOf,
      meshersOf: (cluster) => (cluster === 'b' ? ['r1', 'r2'] : [SENDER]),
    };
    this.comparison = new Comparison(this.ports);
    this.ledger.read({ marks: [], queues: [], ...recovered });
  }

  did(effect: Effect): void {
    this.ledger.stepped([], [effect]);
  }

  heard(input: Input): void {
    this.ledger.stepped([input], []);
  }

  writes(...ops: readonly JournalOp[]): void {
    this.did({ kind: 'append', batch: 1, ops, sync: true });
  }

  /** Returns what cannot be known. */
  compareWith(other: Kept): string[] {
    return this.comparison.compare(
      other.node,
      this.comparison.claimed(other.node),
      other.comparison.tell(this.node),
    );
  }
}

export function opened(): JournalOp {
  return { op: 'queue', queue: QUEUE, name: 'c:b:0' };
}

export function entry(sequence: number, count: number): JournalOp {
  const indices = Array.from({ length: count }, (_, i) => i);
  const first = { incarnation: LIFE, sequence };
  return { op: 'entry', queue: QUEUE, block: 1, entry: { indices, first, directives: [] } };
}

export function frame(from: number, to: number): Extract<Effect, { kind: 'data' }>['message'] {
  const events = Array.from({ length: to - from + 1 }, () => ({ event: EVENT, directive: NO_DIRECTIVE }));
  return { kind: 'data', ...LANE, previous: START, first: at(from), doubt: false, events };
}

export function expired(sequence: number): Effect {
  const place = { queue: QUEUE, block: 1, index: 0, position: at(sequence), attempt: 0 };
  return { kind: 'fate', what: 'dropped', reason: 'expired', to: 'b', event: EVENT, ...place };
}

/** The ledger never looks into one. */
const EVENT = {} as StoredEvent;
const NO_DIRECTIVE = { groups: 'only', names: [] } as const;

export function at(sequence: number): Position {
  return { incarnation: LIFE, sequence };
}

export function ack(peer: string, sequence: number): Input {
  return { kind: 'messages', peer, messages: [{ kind: 'ack', ...LANE, upTo: at(sequence), credit: 1 }] };
}

export function linkUp(peer: string, incarnation: number): Input {
  return { kind: 'link-up', peer, cluster: peer === SENDER ? 'a' : 'b', incarnation, version: 1 };
}

/** Sequences that a text names. */
export function sequencesIn(text: string): number[] {
  const found: number[] = [];
  for (const [, from = '', to = from] of text.matchAll(/sequences? (\d+)(?: to (\d+))?/g))
    for (let sequence = Number(from); sequence <= Number(to); sequence++) found.push(sequence);
  return found;
}
