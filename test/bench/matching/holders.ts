// What holds interests and finds those that match: the route table of a mesher, filled by pulling from their owners as it does
// over links, and qlobber, the matcher of the MQTT broker Aedes.

import { Qlobber } from 'qlobber';
import { Counters } from '../../../node/core/counters.ts';
import type { NodeId } from '../../../node/core/event.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import { isData, type ControlMessage, type Interest } from '../../../node/core/messages.ts';
import { RouteTable } from '../../../node/core/route-table.ts';
import { TIMING } from '../../../node/core/timing.ts';
import { FRAME_HEADER_BYTES } from '../../../node/wire/frames.ts';
import { decodeMessage, encodeMessage } from '../../../node/wire/link-messages.ts';
import { cpuMsSince } from '../../support/calibrate.ts';
import { hand } from '../../unit/core/route-net.ts';
import { signingKeys } from '../../unit/core/signing-keys.ts';

/** One interest as it is found. */
export interface Found {
  readonly node: NodeId;
  readonly filter: string;
  readonly group: string;
}

export interface Holder {
  /** Takes in all interests of one mesher; returns the ms of CPU that it took the holder. */
  add(node: NodeId, interests: readonly Interest[]): number;
  match(topic: string): readonly Found[];
  /** Drops all interests of one mesher; returns the ms of CPU that it took. */
  drop(node: NodeId): number;
}

export const HOLDERS = {
  'route table': (): Holder => new TableHolder(),
  qlobber: (): Holder => new QlobberHolder(),
} as const;

const OBSERVER = 'observer';
const NOW = { wall: 0, monotonic: 0 };

export class TableHolder implements Holder {
  /** From the owners, in frames. */
  receivedBytes = 0;
  readonly #sent: ControlMessage[] = [];
  readonly #linked: NodeId[] = [];
  readonly #table = makeTable(OBSERVER, this.#linked, this.#sent);

  /** The owner's own table answers, and every message goes through its bytes. It is told of no others' records: it would pull them. */
  add(node: NodeId, interests: readonly Interest[]): number {
    const sent: ControlMessage[] = [];
    const owner = makeTable(node, [OBSERVER], sent);
    this.#linked.splice(0, 1, node);
    owner.announce(
      interests.map((interest) => ({ add: true, interest })),
      false,
    );
    owner.tellHeads([OBSERVER]);
    let tookMs = 0;
    while (sent.length > 0) {
      const messages = sent.splice(0).map((message) => encodeMessage(message));
      const used = process.threadCpuUsage();
      for (const bytes of messages) {
        this.receivedBytes += bytes.length + FRAME_HEADER_BYTES;
        deliver(this.#table, node, bytes);
      }
      tookMs += cpuMsSince(used);
      for (const message of this.#sent.splice(0))
        if (message.kind !== 'route-heads') deliver(owner, OBSERVER, encodeMessage(message));
    }
    const { complete, interests: held } = this.#table.describe(node);
    if (!complete || held !== interests.length)
      throw new Error(`${held} of ${interests.length} interests were taken in`);
    return tookMs;
  }

  match(topic: string): readonly Found[] {
    return this.#table.match(topic);
  }

  drop(node: NodeId): number {
    const used = process.threadCpuUsage();
    this.#table.forget(node);
    return cpuMsSince(used);
  }
}

function makeTable(node: NodeId, linked: readonly NodeId[], sent: ControlMessage[]): RouteTable {
  const table = new RouteTable(
    {
      keys: signingKeys(node),
      incarnation: 1,
      limits: LIMITS,
      timing: TIMING,
      random: () => 0.5,
      counters: new Counters(),
    },
    {
      isMember: () => true,
      heardFrom: () => undefined,
      mayInherit: () => true,
      inherited: () => undefined,
      outlived: () => undefined,
      linked: () => linked,
    },
    { write: () => undefined, drop: () => undefined },
    (effect) => {
      if (effect.kind === 'control') sent.push(effect.message);
    },
  );
  table.announce([], false);
  return table;
}

function deliver(table: RouteTable, from: NodeId, bytes: Uint8Array): void {
  const message = decodeMessage(bytes);
  if (isData(message)) throw new Error('a table sent data');
  hand(table, { from, to: '', message }, NOW);
}

class QlobberHolder implements Holder {
  readonly #matcher = new Qlobber<Found>({
    separator: '/',
    wildcard_one: '+',
    wildcard_some: '#',
    match_empty_levels: true,
  });
  readonly #held = new Map<NodeId, Found[]>();

  add(node: NodeId, interests: readonly Interest[]): number {
    const values = interests.map(({ filter, group }) => ({ node, filter, group }));
    const used = process.threadCpuUsage();
    for (const value of values) this.#matcher.add(value.filter, value);
    const tookMs = cpuMsSince(used);
    this.#held.set(node, values);
    return tookMs;
  }

  match(topic: string): readonly Found[] {
    return this.#matcher.match(topic);
  }

  drop(node: NodeId): number {
    const used = process.threadCpuUsage();
    for (const value of this.#held.get(node) ?? []) this.#matcher.remove(value.filter, value);
    this.#held.delete(node);
    return cpuMsSince(used);
  }
}
