// Reads out of the history what this mesher knows of one event: hops, each with its time, and what the event still waits for.

import type { NodeId } from '../../core/event.ts';
import type { HopKind } from '../../core/overview.ts';
import { BLOCK, type EventHistory, ENTRY, FACT, HANDLING, TRAVEL, UNREAD, WHAT } from './event-history.ts';
import type { Rows } from './rings.ts';

/** A hop as the mesher tells it at which it was: who that is, is known to whoever asks. */
export interface LocalHop {
  readonly at: number;
  readonly what: HopKind;
  readonly peer: NodeId;
  readonly subscription: string;
  readonly reason: string;
  readonly attempt: number;
}

/** A place where the event lies in a queue, and is not known to have left it. */
export interface OpenEntry {
  readonly queue: number;
  /** `s:…`, `c:…`, `p:…`; '' where that is forgotten. */
  readonly name: string;
  readonly block: number;
  readonly index: number;
  /** On a lane; undefined: in a subscription. */
  readonly position: { readonly incarnation: number; readonly sequence: number } | undefined;
}

export interface Recalled {
  /** The oldest first. */
  readonly hops: readonly LocalHop[];
  readonly open: readonly OpenEntry[];
}

/** Times that one event is looked at: it may have been published again and again. */
const SIGHTINGS_MAX = 64;

/** What happens first where the clock does not tell them apart. */
const RANK: Readonly<Record<HopKind, number>> = {
  refused: 0,
  published: 1,
  landed: 1,
  'not-wanted': 2,
  committed: 3,
  forwarded: 4,
  delivered: 5,
  'forward-acked': 6,
  acked: 6,
  retried: 6,
  'dead-lettered': 7,
  redriven: 2,
  dropped: 7,
};

export function recall(history: EventHistory, source: string, id: string): Recalled {
  const hops: LocalHop[] = [];
  const open: OpenEntry[] = [];
  const sightings = find(history, source, id);
  const ended = factsOf(history, sightings, hops);
  const blocks = sightings.flatMap((number) => blockOf(history, number) ?? []);
  const wanted = new Set(blocks.map(({ block }) => block));
  const entries = rowsOf(history.entries, ENTRY.block, wanted);
  const handlings = rowsOf(history.handlings, HANDLING.block, wanted);
  for (const found of blocks) {
    const { block, committedAt } = found;
    if (committedAt > 0) hops.push(hop(committedAt, 'committed'));
    const rows = { entries: entries.get(block) ?? [], handlings: handlings.get(block) ?? [] };
    open.push(...queuesOf(history, found, rows, ended, hops));
  }
  hops.sort((a, b) => a.at - b.at || RANK[a.what] - RANK[b.what] || a.attempt - b.attempt);
  return { hops, open };
}

function hop(at: number, what: HopKind, more: Partial<LocalHop> = {}): LocalHop {
  return { at, what, peer: '', subscription: '', reason: '', attempt: 0, ...more };
}

/** Numbers of its hashes, the newest first. */
function find(history: EventHistory, source: string, id: string): number[] {
  const { hash, low, high } = history;
  hash.ofTexts(source, id);
  const [wantedLow, wantedHigh] = [hash.low, hash.high];
  const found: number[] = [];
  for (let number = history.end - 1; number >= history.start; number--) {
    const at = number % low.length;
    if (low[at] !== wantedLow || high[at] !== wantedHigh) continue;
    found.push(number);
    if (found.length === SIGHTINGS_MAX) break;
  }
  return found;
}

/** Adds the hops of what is said of the event itself; returns the places in queues where that was its end. */
function factsOf(history: EventHistory, sightings: readonly number[], hops: LocalHop[]): ReadonlySet<string> {
  const { facts, texts } = history;
  const ended = new Set<string>();
  const newest = sightings[0] ?? -1;
  for (let row = facts.start; newest >= 0 && row < facts.end; row++) {
    const first = facts.cell(row, FACT.first);
    const end = facts.cell(row, FACT.end);
    if (first > newest || !sightings.some((number) => number >= first && number < end)) continue;
    const what = facts.cell(row, FACT.what);
    const to = texts.textOf(facts.cell(row, FACT.to));
    const reason = texts.textOf(facts.cell(row, FACT.reason));
    const attempt = facts.cell(row, FACT.attempt);
    const queue = facts.cell(row, FACT.queue);
    if (queue !== 0 && what !== WHAT.retried && what !== WHAT.handed)
      ended.add(placeIn(queue, facts.cell(row, FACT.block), facts.cell(row, FACT.index)));
    const name = history.queues.get(queue) ?? '';
    hops.push(factHop(facts.cell(row, FACT.at), what, to, reason, attempt, name));
  }
  return ended;
}

function placeIn(queue: number, block: number, index: number): string {
  return `${queue} ${block} ${index}`;
}

function factHop(
  at: number,
  what: number,
  to: string,
  reason: string,
  attempt: number,
  queue: string,
): LocalHop {
  switch (what) {
    case WHAT.published:
      return hop(at, 'published');
    case WHAT.landed:
      return hop(at, 'landed', { peer: to });
    case WHAT['sent-on']:
      return hop(at, 'forwarded', { peer: to });
    case WHAT.handed:
      return hop(at, 'delivered', { subscription: to.replace(/^s:/, ''), attempt });
    case WHAT.refused:
      return hop(at, 'refused', { reason });
    case WHAT['not-wanted']:
      return hop(at, 'not-wanted', { reason: to }); // the topic
    case WHAT.retried:
      return hop(at, 'retried', { subscription: to, reason, attempt });
    case WHAT['dead-lettered']:
      return hop(at, 'dead-lettered', { subscription: to, reason, attempt });
    case WHAT.redriven:
      return hop(at, 'redriven', { subscription: to });
    case WHAT.acked:
      return hop(at, 'acked', { subscription: to, reason, attempt });
    default:
      return hop(at, 'dropped', { ...toward(to, reason, queue), reason, attempt });
  }
}

/** Drops of what is in no queue, that name a subscription. All others name the mesher or cluster that it was for, or came from. */
const OF_SUBSCRIPTIONS: ReadonlySet<string> = new Set([
  'queue-limit',
  'slow-subscriber',
  'subscription-deleted',
  'dead-letter-rejected',
  'dead-letter-dropped',
  'undecodable',
]);

function toward(to: string, reason: string, queue: string): Partial<LocalHop> {
  const isSubscription = queue === '' ? OF_SUBSCRIPTIONS.has(reason) : queue.startsWith('s:');
  return isSubscription ? { subscription: to } : { peer: to };
}

interface FoundBlock {
  readonly block: number;
  readonly index: number;
  readonly committedAt: number;
}

/** The block that has the event of this hash; undefined: none has, or it is forgotten. */
function blockOf(history: EventHistory, number: number): FoundBlock | undefined {
  const { blocks } = history;
  const row = lastAtOrBelow(blocks, BLOCK.first, number);
  if (row === undefined) return undefined;
  const offset = number - blocks.cell(row, BLOCK.first);
  if (offset >= blocks.cell(row, BLOCK.count)) return undefined;
  const index = indexAt(history, blocks.cell(row, BLOCK.indices), 0, offset);
  if (index === undefined) return undefined;
  return {
    block: blocks.cell(row, BLOCK.block),
    index,
    committedAt: blocks.cell(row, BLOCK.committedAt),
  };
}

/** Rows ascend in this column. */
function lastAtOrBelow(rows: Rows, column: number, value: number): number | undefined {
  let low = rows.start;
  for (let end = rows.end; low < end;) {
    const middle = low + Math.floor((end - low) / 2);
    if (rows.cell(middle, column) <= value) low = middle + 1;
    else end = middle;
  }
  return low > rows.start ? low - 1 : undefined;
}

/** The `offset`th of the indices that begin at `start` of the ring of indices, or, where that is -1, at `from`, without a gap. */
function indexAt({ indices }: EventHistory, start: number, from: number, offset: number): number | undefined {
  if (start === -1) return from + offset;
  return start + offset < indices.start ? undefined : indices.cell(start + offset, 0);
}

/** Numbers of rows, the oldest first. */
interface BlockRows {
  readonly entries: readonly number[];
  readonly handlings: readonly number[];
}

/**
 * Rows with these blocks in a column, by block. In one pass: an event that was published again and again to many subscriptions has
 * thousands of entries, and a pass for each would hold the event loop for seconds.
 */
function rowsOf(rows: Rows, column: number, blocks: ReadonlySet<number>): Map<number, number[]> {
  const found = new Map([...blocks].map((block): [number, number[]] => [block, []]));
  for (let row = rows.start; row < rows.end; row++) found.get(rows.cell(row, column))?.push(row);
  return found;
}

function queuesOf(
  history: EventHistory,
  { block, index }: FoundBlock,
  rows: BlockRows,
  ended: ReadonlySet<string>,
  hops: LocalHop[],
): OpenEntry[] {
  const { entries } = history;
  const open: OpenEntry[] = [];
  for (const row of rows.entries) {
    const offset = offsetOf(history, row, index);
    if (offset === undefined) continue;
    const queue = entries.cell(row, ENTRY.queue);
    const name = history.queues.get(queue) ?? '';
    const sequence = entries.cell(row, ENTRY.sequence);
    const position =
      sequence < 0
        ? undefined
        : { incarnation: entries.cell(row, ENTRY.incarnation), sequence: sequence + offset };
    const entry = { queue, name, block, index, position };
    const since = entries.cell(row, ENTRY.since);
    const hasEnded = ended.has(placeIn(queue, block, index));
    const isDone = position
      ? travelsOf(history, name, position, since, hasEnded, hops)
      : handlingsOf(history, entry, rows, since, hasEnded, hops);
    const isDropped = !isDone && !hasEnded && droppedUnread(history, entry, hops);
    if (!isDone && !isDropped && !hasEnded) open.push(entry);
  }
  return open;
}

/** Its place among what the entry wants; undefined: it does not want it. */
function offsetOf(history: EventHistory, row: number, index: number): number | undefined {
  const { entries } = history;
  const count = entries.cell(row, ENTRY.count);
  const start = entries.cell(row, ENTRY.indices);
  const from = entries.cell(row, ENTRY.from);
  if (start === -1) return index >= from && index < from + count ? index - from : undefined;
  for (let offset = 0; offset < count; offset++)
    if (indexAt(history, start, from, offset) === index) return offset;
  return undefined;
}

/** Adds when it was sent on its lane, and acked; true: it was. */
function travelsOf(
  { travels, texts }: EventHistory,
  lane: string,
  { incarnation, sequence }: { readonly incarnation: number; readonly sequence: number },
  since: number,
  hasEnded: boolean,
  hops: LocalHop[],
): boolean {
  const knowsFirst = since >= travels.start;
  let isAcked = false;
  for (let row = Math.max(since, travels.start); row < travels.end; row++) {
    const of = travels.cell(row, TRAVEL.incarnation);
    const isAck = travels.cell(row, TRAVEL.isAck) === 1;
    const isUpTo = travels.cell(row, TRAVEL.to) >= sequence && of === incarnation;
    const isBehind = isAck && of > incarnation;
    if (!(isUpTo || isBehind) || (!isAck && travels.cell(row, TRAVEL.from) > sequence)) continue;
    if (texts.textOf(travels.cell(row, TRAVEL.lane)) !== lane) continue;
    const peer = texts.textOf(travels.cell(row, TRAVEL.peer));
    // where the first ones are forgotten this may be the ack of what came later
    if (!isAck || (knowsFirst && !hasEnded && !isAcked))
      hops.push(hop(travels.cell(row, TRAVEL.at), isAck ? 'forward-acked' : 'forwarded', { peer }));
    isAcked ||= isAck;
  }
  return isAcked;
}

/** Adds when it was handed out and acked; true: it was acked. What is acked after its end was nobody's any more. */
function handlingsOf(
  { handlings }: EventHistory,
  { queue, name, index }: OpenEntry,
  rows: BlockRows,
  since: number,
  hasEnded: boolean,
  hops: LocalHop[],
): boolean {
  const subscription = name.replace(/^s:/, '');
  const knowsFirst = since >= handlings.start;
  for (const row of rows.handlings) {
    if (row < since || handlings.cell(row, HANDLING.queue) !== queue) continue;
    if (index < handlings.cell(row, HANDLING.from) || index >= handlings.cell(row, HANDLING.end)) continue;
    const at = handlings.cell(row, HANDLING.at);
    const attempt = handlings.cell(row, HANDLING.attempt);
    if (handlings.cell(row, HANDLING.isAck) === 0) hops.push(hop(at, 'delivered', { subscription, attempt }));
    else if (!hasEnded) {
      if (knowsFirst) hops.push(hop(at, 'acked', { subscription }));
      return true;
    }
  }
  return false;
}

function droppedUnread(
  { unread, texts }: EventHistory,
  { queue, name, block }: OpenEntry,
  hops: LocalHop[],
): boolean {
  for (let row = unread.start; row < unread.end; row++) {
    const of = unread.cell(row, UNREAD.block);
    if (unread.cell(row, UNREAD.queue) !== queue || (of !== -1 && of !== block)) continue;
    const to = texts.textOf(unread.cell(row, UNREAD.to));
    const reason = texts.textOf(unread.cell(row, UNREAD.reason));
    hops.push(hop(unread.cell(row, UNREAD.at), 'dropped', { ...toward(to, reason, name), reason }));
    return true;
  }
  return false;
}
