// Why events were not delivered, as meshers said it one by one: what nobody gets must have a reason that can be asked for.

import { NO_TOKEN } from '../../node/core/delivery-token.ts';
import type { NodeId, StoredEvent } from '../../node/core/event.ts';
import type { UnreadFate } from '../../node/core/fates.ts';
import { laneDestination, type LaneDestination } from '../../node/core/lane-queue.ts';
import type { JournalOp } from '../../node/core/ports.ts';
import type { Effect } from '../../node/core/steps.ts';
import { idOf, recordOf } from './event-id.ts';
import type { SimMesher } from './mesher.ts';
import { placeOf, type Place } from './place.ts';

const NOTHING: ReadonlySet<string> = new Set();

export class Reasons {
  /** By event: reasons, and to whom they kept it from coming. */
  readonly #of = new Map<string, Map<string, Set<string>>>();
  /** The same by record, for those of which there are several. */
  readonly #ofRecord = new Map<string, Set<string>>();
  /** What ephemeral subscribers were handed: it may be lost with a process, and nobody promised more. */
  readonly #handed = new Set<string>();
  /** What was queued for members that are none of the run's: a hostile one may ack it, and has it then. */
  readonly #forHostile = new Set<string>();
  /** By mesher and place, of what left a queue there. */
  readonly #left = new Map<string, string>();
  readonly #meshers: ReadonlyMap<NodeId, SimMesher>;
  /** What each mesher writes: what it drops unread may be on its way to the disk. */
  readonly #writing = new Map<NodeId, readonly JournalOp[]>();

  constructor(meshers: ReadonlyMap<NodeId, SimMesher>) {
    this.#meshers = meshers;
  }

  stepped(mesher: SimMesher, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'append') this.#appended(mesher, effect.ops);
      else if (effect.kind === 'unread-fate') this.#unread(mesher, effect);
      else if (effect.kind === 'deliver') {
        for (const { event, token } of effect.deliveries)
          if (token === NO_TOKEN) this.#handed.add(idOf(event));
      } else if (effect.kind === 'fate') {
        const { what, reason, event, to } = effect;
        if (what === 'not-wanted') this.#add(event, what, to);
        else if (what === 'dropped' && reason !== 'duplicate') {
          this.#add(event, reason, to);
          this.#leaves(mesher, effect, reason);
        } else if (what === 'acked') this.#leaves(mesher, effect, reason);
      }
    }
  }

  #appended(mesher: SimMesher, ops: readonly JournalOp[]): void {
    this.#writing.set(mesher.node, ops);
    for (const op of ops) {
      if (op.op !== 'entry' || !op.entry.first) continue;
      const to = laneDestination(mesher.core?.forwarder.queue(op.queue)?.name ?? '');
      if (!to || this.#isOurs(to)) continue;
      const block = ops.find((other) => other.op === 'block' && other.block === op.block);
      for (const index of op.entry.indices) {
        const event = block?.op === 'block' ? block.events[index] : undefined;
        if (event) this.#forHostile.add(idOf(event));
      }
    }
  }

  #isOurs(to: LaneDestination): boolean {
    if (to.scope === 'peer') return this.#meshers.has(to.node);
    return [...this.#meshers.values()].some(({ cluster }) => cluster === to.cluster);
  }

  #unread(mesher: SimMesher, fate: UnreadFate): void {
    const { disk, node } = mesher;
    const { queue, blocks } = fate;
    const isMeant = (block: number): boolean => blocks === undefined || blocks.includes(block);
    for (const [block, { indices }] of disk.entries.get(queue) ?? [])
      if (isMeant(block)) this.#addAll(mesher, fate, block, disk.blocks.get(block), indices);
    const ops = this.#writing.get(node) ?? [];
    for (const op of ops) {
      if (op.op !== 'entry' || op.queue !== queue || !isMeant(op.block)) continue;
      const written = ops.find((other) => other.op === 'block' && other.block === op.block);
      if (written?.op === 'block') this.#addAll(mesher, fate, op.block, written.events, op.entry.indices);
    }
  }

  #addAll(
    mesher: SimMesher,
    { queue, reason, to }: UnreadFate,
    block: number,
    events: readonly StoredEvent[] | undefined,
    indices: readonly number[],
  ): void {
    for (const index of indices) {
      const event = events?.[index];
      if (!event) continue;
      this.#add(event, reason, to);
      this.#leaves(mesher, { queue, block, index }, reason);
    }
  }

  #leaves({ node }: SimMesher, from: Place, reason: string): void {
    const place = placeOf(from);
    if (place !== '') this.#left.set(`${node} ${place}`, reason);
  }

  #add(event: StoredEvent, reason: string, to: string): void {
    const id = idOf(event);
    const reasons = this.#of.get(id) ?? new Map<string, Set<string>>();
    this.#of.set(id, reasons.set(reason, (reasons.get(reason) ?? new Set()).add(to)));
    const record = recordOf(event);
    this.#ofRecord.set(record, (this.#ofRecord.get(record) ?? new Set()).add(reason));
  }

  /** Whether it is said of the event, and, where `to` is given, of one of those. */
  has(id: string, reason: string, to?: readonly string[]): boolean {
    const kept = this.#of.get(id)?.get(reason);
    return kept !== undefined && (to?.some((one) => kept.has(one)) ?? true);
  }

  /** All that is said of this one record. */
  ofRecord(record: string): ReadonlySet<string> {
    return this.#ofRecord.get(record) ?? NOTHING;
  }

  /** What the mesher said of the event that lay there, when it ended; undefined: nothing. */
  whyLeft(node: NodeId, place: string): string | undefined {
    return this.#left.get(`${node} ${place}`);
  }

  any(id: string): boolean {
    return this.#of.has(id);
  }

  wasForHostile(id: string): boolean {
    return this.#forHostile.has(id);
  }

  wasHanded(id: string): boolean {
    return this.#handed.has(id);
  }
}
