// What meshers tell each other of members that are away: out of the registry's list, so that whoever joins meanwhile would never hear
// of them, nor keep events for their durable subscriptions. A record is told with the bytes that its owner signed.
//
// Invariants. Only what a mesher knows at first hand, by the registry's list, is told: what it was told itself goes no further, and so
// cannot go round for ever. Who is known by hearsay counts as dead, for `forgetAfterMs` in all; it is neither dialled nor let in, and
// nobody's heir. Where it says what is wanted under the name of a lost mesher that nobody else speaks for, that is kept for the lost one
// (route-table.ts): it may have been its heir, and is away as well. Of one peer no more is believed than `AWAY_FROM_PEER_MAX` members.

import type { NodeId } from './event.ts';
import { AWAY_FROM_PEER_MAX, MEMBER_BYTES_MAX } from './limits.ts';
import type { MembersAway } from './messages.ts';
import type { MemberRecord } from './ports.ts';

/** Of one message; a larger record goes alone. */
const MESSAGE_BYTES_MAX = 64 * 1024;

/** The signed bytes of a member record: its fields in one fixed order. */
export function memberText(record: Omit<MemberRecord, 'signature'>): string {
  const labels = Object.entries(record.labels).sort(([a], [b]) => (a < b ? -1 : 1));
  const { federation, cluster, node, incarnation, addresses, http, version } = record;
  return JSON.stringify([federation, cluster, node, incarnation, addresses, http, version, labels]);
}

/** The record of which this is the text, or undefined if it is none. Whether it is signed is not looked at. */
export function readMember(text: string, signature: string): MemberRecord | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    return undefined; // not JSON: no record
  }
  if (!Array.isArray(fields)) return undefined;
  const [federation, cluster, node, incarnation, addresses, http, version, labels] = fields as unknown[];
  const isRecord =
    isText(federation) &&
    isText(cluster) &&
    isText(node) &&
    Number.isSafeInteger(incarnation) &&
    isListOf(addresses, isText) &&
    isText(http) &&
    isText(version) &&
    isListOf(labels, isLabel);
  if (!isRecord) return undefined;
  const record: MemberRecord = {
    federation,
    cluster,
    node,
    incarnation: incarnation as number,
    addresses,
    http,
    version,
    labels: Object.fromEntries(labels),
    signature,
  };
  return memberText(record) === text ? record : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isListOf<T>(value: unknown, isOne: (one: unknown) => one is T): value is T[] {
  return Array.isArray(value) && value.every(isOne);
}

function isLabel(value: unknown): value is [string, string] {
  return isListOf(value, isText) && value.length === 2;
}

export interface MemberAway {
  readonly record: MemberRecord;
  /** For how long, as far as is known here. */
  readonly awayMs: number;
}

/** As many messages as these members take. */
export function awayMessages(members: readonly MemberAway[]): MembersAway[] {
  const messages: MembersAway[] = [];
  let told: MembersAway['members'][number][] = [];
  let bytes = 0;
  for (const { record, awayMs } of members) {
    const signed = memberText(record);
    const more = Buffer.byteLength(signed);
    if (more > MEMBER_BYTES_MAX) continue; // no registry takes such a record
    if (told.length === 0 || bytes + more > MESSAGE_BYTES_MAX) {
      messages.push({ kind: 'members-away', members: (told = []) });
      bytes = 0;
    }
    told.push({ signed, signature: record.signature, awayMs: Math.floor(awayMs) });
    bytes += more;
  }
  return messages;
}

/** How much was believed, and whom nothing more is believed of. */
export class Hearsay {
  readonly #membersMax: number;
  /** Members that a peer has made known since the start, and that the registry has not listed since. */
  readonly #from = new Map<NodeId, number>();
  /** Since when those counted as away that were forgotten, monotonic ms; the oldest first. */
  readonly #forgotten = new Map<NodeId, number>();
  /** Of members known by hearsay now. */
  #size = 0;

  constructor(membersMax: number) {
    this.#membersMax = membersMax;
  }

  /** Half of the members known are for those that the registry lists, whatever others say. */
  hasRoom(from: NodeId): boolean {
    return (this.#from.get(from) ?? 0) < AWAY_FROM_PEER_MAX && this.#size < this.#membersMax / 2;
  }

  take(from: NodeId): void {
    this.#size++;
    this.#from.set(from, (this.#from.get(from) ?? 0) + 1);
  }

  /** It counts no more. What it cost its teller is not given back, or one could tell of others for ever. */
  drop(): void {
    this.#size--;
  }

  /** The registry lists it: it was worth to be told. */
  confirm(from: NodeId): void {
    this.drop();
    const count = (this.#from.get(from) ?? 0) - 1;
    if (count > 0) this.#from.set(from, count);
    else this.#from.delete(from);
  }

  /** It has counted as away since `since`, and from now on does not count at all. */
  forget(node: NodeId, since: number): void {
    this.#forgotten.delete(node);
    this.#forgotten.set(node, since);
    if (this.#forgotten.size <= this.#membersMax) return;
    const [oldest = node] = this.#forgotten.keys();
    this.#forgotten.delete(oldest);
  }

  /** It is there: whatever was forgotten of it is of the past. */
  seen(node: NodeId): void {
    this.#forgotten.delete(node);
  }

  /** Since when it has counted as away here, if it was forgotten. */
  awaySince(node: NodeId): number | undefined {
    return this.#forgotten.get(node);
  }
}
