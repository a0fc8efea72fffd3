// The promises, judged when everything has come to rest. Each checker reads the history and the meshers, and says what is
// broken with the facts. Leniency is counted, never silent: see `excused` in the verdict.

import type { NodeId } from '../../node/core/event.ts';
import type { Interest } from '../../node/core/messages.ts';
import { announcedFilter, heirFilter } from '../../node/core/heirs.ts';
import { interestKey } from '../../node/core/interest-set.ts';
import { DEAD_LETTERS } from '../../node/core/subscription.ts';
import { matches } from '../../node/core/topic.ts';
import { waysTo } from './duties.ts';
import { recordOf } from './event-id.ts';
import { homeOf, type History, type Published, type Received, type Subscribed } from './history.ts';
import type { MemoryDisk } from '../../node/journal/memory-journal.ts';
import { putsOf } from '../../node/journal/memory-range.ts';
import type { SimMesher } from './mesher.ts';
import type { Listener } from './workload.ts';

export interface Found {
  readonly history: History;
  readonly meshers: readonly SimMesher[];
  readonly listeners: readonly Listener[];
  /** Nothing was broken on purpose in this run. */
  readonly quiet: boolean;
  /** What was let pass, and why, with its number. */
  readonly excused: Map<string, number>;
}

function excuse(found: Found, why: string): void {
  found.excused.set(why, (found.excused.get(why) ?? 0) + 1);
}

// ───────────────────────────────────────────────────────────── 1: nothing acked is lost

const FORGOTTEN = 'an older copy made an heir, which did not know whom the lost mesher had taken over';

/** Every durable event whose ack a publisher has was handed to a consumer of each subscription that it was owed. */
export function checkNothingLost(found: Found): void {
  const { history } = found;
  const seen = new Map<string, Set<string>>();
  for (const { name, received } of history.subscriptions.values())
    seen.set(name, new Set(received.map(({ id }) => id)));
  for (const event of history.events.values()) {
    if (event.qos !== 'durable') continue;
    const owed = owedBy(event);
    const groups = new Map<string, Subscribed[]>();
    for (const subscribed of owed.map((name) => history.subscriptions.get(name))) {
      if (!subscribed) continue;
      const { group, topic } = subscribed.subscription;
      if (group === undefined) {
        if (seen.get(subscribed.name)?.has(event.id) === true || subscribed.ended) continue;
        if (isLostWithDisk(history, event.id, subscribed)) {
          excuse(found, 'lost with the only disk that had it');
          continue;
        }
        if (history.olderCopies.isForgotten(event, subscribed)) {
          excuse(found, FORGOTTEN);
          continue;
        }
        if (event.expires || subscribed.limited) excuseReason(found, event, [subscribed]);
        else
          history.broken(
            'no acked event is lost',
            `${lost(event)} never came to ${subscribed.name} on ${subscribed.mesher}`,
          );
      } else {
        const key = interestKey(topic, group);
        groups.set(key, [...(groups.get(key) ?? []), subscribed]);
      }
    }
    for (const members of groups.values()) {
      const all = [...history.subscriptions.values()].filter(({ subscription }) =>
        sameGroup(subscription, members[0]?.subscription),
      );
      if (all.some(({ name }) => seen.get(name)?.has(event.id)) || all.some(({ ended }) => ended)) continue;
      if (all.some((member) => isLostWithDisk(history, event.id, member))) {
        excuse(found, 'lost with the only disk that had it');
        continue;
      }
      if (members.every((member) => history.olderCopies.isForgotten(event, member))) {
        excuse(found, FORGOTTEN);
        continue;
      }
      if (event.expires) excuseReason(found, event, members);
      else
        history.broken(
          'no acked event is lost',
          `${lost(event)} came to no member of ${members.map(({ name }) => name).join()}`,
        );
    }
  }
}

/** It may be let pass, if a mesher said so of this very event. */
function excuseReason(found: Found, event: Published, members: readonly Subscribed[]): void {
  const { history } = found;
  const { id, expires } = event;
  const limited = members.filter((member) => member.limited).map(({ name }) => name);
  if (expires && history.reasons.has(id, 'expired')) excuse(found, 'expired');
  else if (history.reasons.has(id, 'queue-limit', limited)) excuse(found, 'queue-limit');
  else
    history.broken(
      'every undelivered event has a reason',
      `${lost(event)} did not come to ${members.map(({ name }) => name).join()}, and nobody said why`,
    );
}

/** What nobody got at all was acked all the same: somebody says why. */
export function checkReasons(found: Found): void {
  const { history } = found;
  const got = new Set<string>();
  for (const { received } of history.subscriptions.values()) for (const { id } of received) got.add(id);
  for (const { received } of found.listeners) for (const { id } of received) got.add(id);
  for (const event of history.events.values()) {
    if (!event.attempts.some(({ acked }) => acked) || got.has(event.id) || history.reasons.any(event.id))
      continue;
    if (history.lostWithDisks.has(event.id)) excuse(found, 'lost with the only disk that had it');
    else if (history.reasons.wasHanded(event.id))
      excuse(found, 'handed to an ephemeral subscriber, and lost with its mesher');
    else if (history.reasons.wasForHostile(event.id)) excuse(found, 'a hostile member acked it');
    else if (event.qos === 'best-effort') excuse(found, 'best effort: lost with a link or a process');
    else history.broken('every undelivered event has a reason', `${lost(event)} came to nobody`);
  }
}

function owedBy(event: Published): string[] {
  const owed = new Set<string>();
  for (const attempt of event.attempts) if (attempt.acked) for (const name of attempt.owed) owed.add(name);
  return [...owed];
}

/** The mesher that had its custody on the way to this subscription lost it with its disk. */
function isLostWithDisk({ lostWithDisks }: History, id: string, to: Subscribed): boolean {
  const whom = lostWithDisks.get(id);
  return whom !== undefined && waysTo(to.name, to.mesher, to.cluster).some((way) => whom.has(way));
}

function lost(event: Published): string {
  const acks = event.attempts
    .filter(({ acked }) => acked)
    .map(({ mesher, at }) => `${mesher} (asked at ${at.toFixed(0)})`);
  const landed = [...event.landedOn].map(([cluster, nodes]) => `${cluster}: ${[...nodes].join()}`);
  return `${event.id} on ${event.topic}, acked by ${acks.join(', ')}, landed on [${landed.join('; ')}]`;
}

function sameGroup(a: { topic: string; group: string | undefined }, b: typeof a | undefined): boolean {
  return a.group !== undefined && a.group === b?.group && a.topic === b.topic;
}

// ───────────────────────────────────────────────────────────── 2: nothing twice without a reason

export function checkDuplicates(found: Found): void {
  const { history } = found;
  for (const subscribed of history.subscriptions.values()) {
    const first = new Map<string, Received>();
    for (const received of subscribed.received) {
      const one = nameOf(received);
      const before = first.get(one);
      if (!before) first.set(one, received);
      else if (before.place === received.place) continue;
      else if (received.isRedriven) judgeRedrivenTwice(found, subscribed, before, received);
      else judgeTwice(found, subscribed, before, received);
    }
  }
  judgeGroups(found);
}

/** What is not to come twice: an event, and each time that it was redriven. */
function nameOf(received: Received): string {
  return received.isRedriven ? `redriven as ${recordOf(received)}` : received.id;
}

/** It is on one mesher, and goes nowhere from there but to its heir. */
function judgeRedrivenTwice(found: Found, subscribed: Subscribed, before: Received, again: Received): void {
  // who moved it from a copy may have been taken over itself, and its heir not have known that
  const isMoved = found.history.events.get(again.id)?.takenOver === true;
  if (isMoved || subscribed.movedAt > before.at) excuse(found, 'duplicate: taken over from a lost mesher');
  else if (found.history.isPutBackAfter(homeOf(subscribed), before.at))
    excuse(found, 'duplicate: a disk was put back');
  else
    found.history.broken(
      'nothing twice without doubt',
      `${subscribed.name} on ${subscribed.mesher} got ${again.id}, redriven once, at ${before.place} and ${again.place}`,
    );
}

/** The same event in two places of one queue. */
function judgeTwice(found: Found, subscribed: Subscribed, before: Received, again: Received): void {
  const event = found.history.events.get(again.id);
  if (!event) return;
  const same =
    before.origin === again.origin &&
    before.incarnation === again.incarnation &&
    before.sequence === again.sequence;
  if (!same && event.attempts.length > 1) excuse(found, 'duplicate: its publisher sent it again');
  else if (event.doubtIn.has(subscribed.cluster)) excuse(found, 'duplicate: custody was in doubt');
  else if (found.history.isForgotten(event, homeOf(subscribed)))
    excuse(found, 'duplicate: a disk was put back');
  else if (event.takenOver || (event.attempts[0]?.at ?? 0) < subscribed.movedAt)
    excuse(found, 'duplicate: taken over from a lost mesher');
  else if (subscribed.subscription.group !== undefined && event.unknownMeshers)
    excuse(found, 'group twice: a mesher was unknown'); // what was sent there for the group came to the member at its heir
  else if (event.landedAtHeir && event.unknownAtLanding.has(subscribed.name))
    excuse(found, 'group twice: sender and landing mesher knew other members'); // one of them at whom the other's heir is
  else
    found.history.broken(
      'nothing twice without doubt',
      `${subscribed.name} on ${subscribed.mesher} got ${again.id} at ${before.place} and ${again.place}; ${lost(event)}`,
    );
}

function judgeGroups(found: Found): void {
  const { history } = found;
  const groups = new Map<string, Subscribed[]>();
  for (const subscribed of history.subscriptions.values()) {
    const { topic, group } = subscribed.subscription;
    if (group === undefined) continue;
    const key = interestKey(topic, group);
    groups.set(key, [...(groups.get(key) ?? []), subscribed]);
  }
  for (const members of groups.values()) {
    const first = new Map<string, { member: Subscribed; received: Received }>();
    for (const member of members) {
      for (const received of member.received) {
        if (received.isRedriven) continue; // to whom it comes is looked at where it comes (letters.ts)
        const before = first.get(received.id);
        if (!before) first.set(received.id, { member, received });
        else if (before.member !== member) judgeGroupTwice(found, before.member, member, received.id);
      }
    }
  }
}

function judgeGroupTwice(found: Found, one: Subscribed, other: Subscribed, id: string): void {
  const event = found.history.events.get(id);
  if (!event) return;
  if (event.attempts.length > 1) excuse(found, 'group twice: its publisher sent it again');
  else if (event.doubtIn.size > 0) excuse(found, 'group twice: custody was in doubt');
  else if (event.takenOver) excuse(found, 'group twice: taken over from a lost mesher');
  else if (event.unknownMeshers) excuse(found, 'group twice: a mesher was unknown');
  else if ([one, other].some((each) => found.history.isForgotten(event, homeOf(each))))
    excuse(found, 'group twice: a disk was put back');
  else if (event.unknownAtLanding.has(one.name) || event.unknownAtLanding.has(other.name))
    excuse(found, 'group twice: sender and landing mesher knew other members');
  else
    found.history.broken(
      'a group gets an event once',
      `${one.name} on ${one.mesher} and ${other.name} on ${other.mesher} both got ${id}`,
    );
}

// ───────────────────────────────────────────────────────────── 3: order per key

/** First deliveries of one key from one origin come in the order of acceptance, unless the lane changed its landing. */
export function checkOrder(found: Found): void {
  const { history } = found;
  for (const subscribed of history.subscriptions.values()) {
    const seen = new Set<string>();
    const last = new Map<string, Received>();
    const exempt = new Map<string, string>();
    for (const received of subscribed.received) {
      // best effort keeps to memory and may overtake what a lagging queue has on disk
      const durable = history.events.get(received.id)?.qos === 'durable';
      if (received.key === '' || !durable || seen.has(nameOf(received))) continue;
      seen.add(nameOf(received));
      const stream = `${received.origin} ${received.key}`;
      const before = last.get(stream);
      if (before && (received.incarnation - before.incarnation || received.sequence - before.sequence) < 0) {
        if (history.events.get(received.id)?.expires && !received.isRedriven) {
          excuse(found, 'order: passed over as expired by a clock that was set back since');
          continue;
        }
        const why = exempt.get(stream) ?? whyOutOfOrder(history, subscribed, before, received);
        if (why === undefined) {
          history.broken(
            'order per key',
            `${subscribed.name} on ${subscribed.mesher}: ${received.id} after ${before.id}, key ${received.key} from ${received.origin}`,
          );
        } else {
          exempt.set(stream, why);
          excuse(found, `order: ${why}`);
        }
        continue;
      }
      last.set(stream, received);
    }
  }
}

/** What excuses that `later` came before `earlier`; undefined: nothing. */
function whyOutOfOrder(
  history: History,
  subscribed: Subscribed,
  later: Received,
  earlier: Received,
): string | undefined {
  const { cluster, movedAt } = subscribed;
  const home = homeOf(subscribed);
  const isTakenOver = (event: Published | undefined): boolean =>
    event !== undefined && (event.takenOver || event.landedAtHeir || history.isOfGuest(event, home));
  const events = [history.events.get(later.id), history.events.get(earlier.id)];
  if (later.isRedriven || earlier.isRedriven) {
    // of one mesher, and in one queue of it, until somebody takes that over: older blocks may come from a helper, after newer ones
    if (movedAt > 0 && earlier.at >= movedAt) return 'taken over from a lost mesher';
    // or it waited for a member of the group that is lost
    return !earlier.isRedriven && isTakenOver(events[1]) ? 'taken over from a lost mesher' : undefined;
  }
  if (events.some((event) => event === undefined || event.attempts.length > 1))
    return 'its publisher sent again';
  if (events.some((event) => event && history.isForgotten(event, homeOf(subscribed))))
    return 'a disk was put back';
  // what was queued for it elsewhere follows when the heir is known there, and may be overtaken by what is new
  if (events.some(isTakenOver)) return 'taken over from a lost mesher';
  if (events.some((event) => (event?.attempts[0]?.at ?? 0) < movedAt)) return 'taken over from a lost mesher';
  const landings = events.map((event) => [...(event?.landedOn.get(cluster) ?? [])]);
  if (events.some((event) => event?.doubtIn.has(cluster)) || landings.some((nodes) => nodes.length > 1)) {
    return 'the lane moved in doubt';
  }
  // both were acked where they landed, and went from there to the subscription's mesher by different ways
  if (landings[0]?.[0] !== landings[1]?.[0]) return 'the lane moved, in no doubt';
  return undefined;
}

// ───────────────────────────────────────────────────────────── 4: once per remote cluster

export function checkCrossings(found: Found): void {
  for (const event of found.history.events.values()) {
    for (const [cluster, nodes] of event.landedOn) {
      if (nodes.size <= event.attempts.length || event.doubtIn.has(cluster) || event.takenOver) continue;
      if (found.history.isForgotten(event)) {
        excuse(found, 'crossed twice: a disk was put back');
        continue;
      }
      found.history.broken(
        'once per remote cluster',
        `${event.id} landed on ${[...nodes].join()} of ${cluster} without doubt`,
      );
    }
  }
}

// ───────────────────────────────────────────────────────────── 5: route tables are true

/** What differs between what a mesher wants and what the others hold of it; empty: nothing. */
export function routeDifferences(meshers: readonly SimMesher[]): string[] {
  const wrong: string[] = [];
  for (const owner of meshers) {
    const own = ownInterests(owner);
    for (const other of meshers) {
      if (other === owner || !other.core) continue;
      const { complete, gapped } = other.core.table.describe(owner.node);
      const held = textOf(other.core.table.routesOf(owner.node));
      if (!complete || gapped || held !== own)
        wrong.push(
          `${other.node} holds of ${owner.node}: [${held}] complete ${complete} gapped ${gapped}, it wants [${own}]`,
        );
    }
  }
  return wrong;
}

function ownInterests({ core }: SimMesher): string {
  const wanted = new Map<string, Interest>();
  const add = (filter: string, group: string, durable: boolean): void => {
    const key = interestKey(filter, group);
    wanted.set(key, { filter, group, durable: durable || wanted.get(key)?.durable === true });
  };
  for (const { subscription } of core?.subscriptions.all() ?? []) {
    const { name, topic, group = '', adoptedFrom } = subscription;
    const isBeingAdopted = adoptedFrom !== undefined && core?.takeovers.isGuest(adoptedFrom) !== true;
    if (name !== DEAD_LETTERS && !isBeingAdopted) add(announcedFilter(topic, adoptedFrom), group, true);
  }
  for (const guest of core?.takeovers.guests() ?? []) add(heirFilter(guest), '', true);
  for (const { filter, group } of core?.subscriptions.ephemerals() ?? []) add(filter, group, false);
  return textOf(wanted.values());
}

/** The same for the same interests, whatever their order. */
function textOf(interests: Iterable<Interest>): string {
  return Array.from(
    interests,
    ({ filter, group, durable }) => `${filter}${group === '' ? '' : `@${group}`}${durable ? '!' : ''}`,
  )
    .sort()
    .join(' ');
}

// ───────────────────────────────────────────────────────────── 6: nothing is left over

/** What still waits somewhere; empty: the federation is at rest. */
export function* unrest(meshers: readonly SimMesher[], all = meshers): Generator<string, undefined> {
  for (const { node, core, busy, options } of meshers) {
    if (!core) {
      yield `${node} does not run`;
      continue;
    }
    const whole = core.replication.views().filter(({ complete, behind }) => complete && behind === 0);
    if (whole.length < options.replicas - 1) yield `${node}: ${whole.length} whole copies`;
    for (const { subscription, queue } of core.subscriptions.all()) {
      if (queue.depth > 0) yield `${node}: ${queue.depth} events for ${subscription.name}`;
    }
    for (const { destination, lane, state, queued, landing } of core.forwarder.views()) {
      if (queued > 0)
        yield `${node}: ${queued} events for ${destination}/${lane}, ${state} on ${landing ?? 'nobody'}`;
    }
    if (!core.commits.idle) yield `${node}: a batch`;
    for (const { owner } of core.copies.all())
      if (!all.some((one) => one.node === owner)) yield `${node}: what ${owner} left`;
    if (busy && core.commits.pendingBytes > 0) yield `${node}: inputs`;
  }
  return undefined;
}

/** Asked often while it is not so: no more is looked at than the first that still waits. */
export function isAtRest(meshers: readonly SimMesher[], all = meshers): boolean {
  return unrest(meshers, all).next().done === true;
}

/** With all links up, whoever is to have copies has them, whole, and the same as its own journal. */
export function checkCopies({ history, meshers }: Found): void {
  for (const owner of meshers) {
    const { replicas } = owner.options;
    if (replicas === 1 || !owner.core) continue;
    const own = textOfDisk(owner.disk);
    const views = owner.core.replication.views();
    for (const { node, state, complete, behind } of views) {
      const holder = meshers.find((mesher) => mesher.node === node);
      if (!holder) continue; // it has left, and its owner does not know it yet
      const copy = holder.copies.diskOf(owner.node);
      const isSame = copy !== undefined && textOfDisk(copy) === own;
      if (state === 'streaming' && complete && behind === 0 && isSame) continue;
      history.broken(
        'copies are what they are copies of',
        `${owner.node} on ${node}: ${state}, complete ${complete}, behind ${behind}, the same ${isSame}; ${isSame ? '' : differenceOf(own, copy ? textOfDisk(copy) : '')}`,
      );
    }
  }
}

function differenceOf(own: string, copy: string): string {
  const owned = own.split(',');
  const copied = copy.split(',');
  const lacks = owned.filter((line) => !copied.includes(line));
  const keeps = copied.filter((line) => !owned.includes(line));
  return `lacks ${lacks.join(' ').slice(0, 200)}, has besides ${keeps.join(' ').slice(0, 200)}`;
}

function textOfDisk(disk: MemoryDisk): string {
  return putsOf(disk)
    .map(([key, value]) => `${key.toString('hex')}=${value.toString('hex')}`)
    .join();
}

export function checkJournalsEmpty(found: Found): void {
  for (const { node, core, disk } of found.meshers) {
    const entries = [...disk.entries.values()].reduce((sum, one) => sum + one.size, 0);
    if (disk.blocks.size === 0 && entries === 0 && core?.commits.blocks === 0) continue;
    found.history.broken(
      'settled events leave the journal',
      `${node} still has ${disk.blocks.size} blocks, ${entries} entries; ${core?.commits.blocks ?? 0} wanted`,
    );
  }
}

/** No record in the workload is smaller. */
const RECORD_BYTES_MIN = 80;

/** Whatever was granted, lanes bring nothing more above so many times what may be staged (landing.ts). */
const OVERDRAFT = 3;

/**
 * Publishers may stage `stagedBytesMax`, and lanes share as much again. But each is granted a frame at least, and begins one more as
 * long as it has credit left: so many lanes may bring more, at once, while a slow disk takes its time.
 */
function pendingBytesMax({ disk, options: { limits } }: SimMesher): number {
  const { stagedBytesMax, frameBytesMax } = limits;
  const twoFrames = 2 * frameBytesMax; // also what a single event that is larger than a frame takes at most
  const granted = stagedBytesMax + disk.marks.size * twoFrames;
  return Math.max(2 * stagedBytesMax, Math.min(granted, OVERDRAFT * stagedBytesMax + twoFrames));
}

/** While it runs: what the limits say of memory. Called now and then. */
export function checkMemory(history: History, meshers: readonly SimMesher[]): void {
  for (const mesher of meshers) {
    const { node, core, options } = mesher;
    if (!core) continue;
    const { limits } = options;
    // A load brings whole blocks, one commit is let in while there is room, and what a lane had in flight comes back.
    const windowMax =
      limits.queueWindowEvents + 6 * limits.blockEventsMax + 64 + limits.laneInFlightBytes / RECORD_BYTES_MIN;
    for (const queue of [...core.subscriptions.all().map((one) => one.queue), ...core.forwarder.queues()]) {
      if (queue.depth > queue.ready + limits.queueWindowEvents)
        history.meet('queue larger than its window', `${node} ${queue.name}`);
      if (queue.ready > windowMax)
        history.broken(
          'memory is bounded',
          `${node}: ${queue.ready} events in the window of ${queue.name}, expected at most ${windowMax}`,
        );
    }
    const { pendingBytes } = core.commits;
    if (pendingBytes > limits.stagedBytesMax * 2)
      history.meet('more lanes than what may be staged has room for', node);
    if (pendingBytes > pendingBytesMax(mesher))
      history.broken('memory is bounded', `${node}: ${pendingBytes} bytes wait for the disk`);
    for (const one of core.subscriptions.all()) {
      const { inFlight, subscription } = one.state();
      // lowered by a replacement, it holds for what is handed out next
      if (
        inFlight > subscription.delivery.maxInFlight &&
        !history.subscriptions.get(subscription.name)?.disturbed
      ) {
        history.broken(
          'in-flight limits hold',
          `${subscription.name}: ${inFlight} in flight, ${subscription.delivery.maxInFlight} allowed`,
        );
      }
    }
  }
}

/** What a consumer rejected for good waits in `$dead-letters`, until somebody takes it there. */
export function checkDeadLetters(found: Found): void {
  const { history, meshers } = found;
  for (const { by, id, left } of history.undead()) {
    const { name, mesher } = by;
    if (!meshers.some(({ node }) => node === mesher)) continue; // it left, with all that it had
    if (left !== undefined) {
      excuse(found, `rejected, never confirmed, and left its queue since: ${left}`);
      continue;
    }
    history.broken('what is rejected becomes a dead letter', `${id}, rejected by ${name} on ${mesher}`);
  }
}

/** What was redriven and dropped is that, all of it and nothing else, and what was not is still there. */
export function checkLetters(found: Found): void {
  const { history } = found;
  const { letters } = history;
  letters.judge();
  for (const [why, count] of letters.excused) found.excused.set(why, (found.excused.get(why) ?? 0) + count);
  const { redriven, dropped } = letters.counts;
  const counted = [
    ['redriven', redriven, history.sum('events_redriven_total')],
    ['dropped', dropped, history.total('events_dropped_total', 'dead-letter-dropped')],
  ] as const;
  for (const [what, seen, total] of counted) {
    if (seen !== total)
      history.broken('what is said of dead letters adds up', `${seen} were ${what}, ${total} counted`);
    if (seen > 0) history.met.set(`dead letters ${what}`, seen);
  }
}

// ───────────────────────────────────────────────────────────── 7: listeners in quiet runs

/** Without faults, ephemeral listeners get what was published after they were known everywhere, once. */
export function checkListeners(found: Found, knownBy: number): void {
  if (!found.quiet) return;
  for (const listener of found.listeners) {
    const times = new Map<string, number>();
    for (const { id } of listener.received) times.set(id, (times.get(id) ?? 0) + 1);
    for (const event of found.history.events.values()) {
      const first = event.attempts[0];
      if (!first || !matches(listener.topic, event.topic) || event.attempts.length > 1) continue;
      const count = times.get(event.id) ?? 0;
      if (count > 1)
        found.history.broken(
          'listeners get an event once',
          `${event.id} came ${count} times to ${listener.topic} on ${listener.home.node}`,
        );
      if (
        listener.group !== '' ||
        count > 0 ||
        event.expires ||
        first.at < Math.max(knownBy, listener.since + 10_000)
      )
        continue;
      if (!first.acked) continue; // refused, or its reply was lost
      if (event.qos === 'best-effort' && found.history.fullLinks.hasDropped(event.id, listener.home)) {
        excuse(found, 'best effort: dropped where a link took no more for now');
        continue;
      }
      found.history.broken(
        'listeners get every event in quiet times',
        `${event.id} on ${event.topic} never came to ${listener.topic} on ${listener.home.node}, from ${first.mesher}`,
      );
    }
  }
}

export type { NodeId };
