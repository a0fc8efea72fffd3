// The checker sees each kind of breach in a history made by hand, and lets pass what has a reason.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hash32 } from '../../node/core/event.ts';
import { LIMITS } from '../../node/core/limits.ts';
import { Checker, type Verdict } from './checker.ts';
import { partitionKeyOf } from './load/events.ts';
import type { Happening, Received } from './load/history.ts';

/** Two meshers in two clusters; `a1` publishes, `all-b1` is what is looked at. */
class Story {
  readonly #checker = new Checker();
  #t = 0;

  constructor(group: Readonly<Record<string, string>> = {}) {
    this.tell({ op: 'start', seed: 1, subscribers: { 'all-b1': 'b1' }, group, publishers: { a1: 'a1' } });
  }

  tell(...happenings: readonly Happening[]): this {
    for (const happening of happenings) this.#checker.take({ t: (this.#t += 10), ...happening });
    return this;
  }

  /** One event, one attempt. */
  publish(n: number, outcome: 'acked' | 'refused' | 'unknown' = 'acked', attempt = 1): this {
    return this.tell(
      { op: 'publish', publisher: 'a1', first: n, count: 1, attempt },
      { op: outcome, publisher: 'a1', first: n, attempt },
    );
  }

  deliver(
    n: number,
    place: string,
    { attempt = 1, sequence = n + 1, same = 1, subscriber = 'all-b1' }: Come = {},
  ): this {
    const received: Received = ['a1', n, place, attempt, 'node-a1', sequence, same];
    return this.tell({ op: 'delivered', subscriber, events: [received] });
  }

  settle(place: string): this {
    return this.tell(
      { op: 'settle', subscriber: 'all-b1', places: [place] },
      { op: 'settled', subscriber: 'all-b1', stale: [] },
    );
  }

  verdict(): Verdict {
    return this.#checker.verdict();
  }
}

/** The first event of a key comes after the second. */
function overtaken(story: Story, between: readonly Happening[] = []): Story {
  for (let n = 0; n <= 8; n++) story.publish(n);
  story.tell(...between);
  for (let n = 1; n <= 8; n++) story.deliver(n, `2.0.${n}`);
  return story.deliver(0, '2.1.0');
}

interface Come {
  readonly attempt?: number;
  readonly sequence?: number;
  readonly same?: 0 | 1;
  readonly subscriber?: string;
}

function promises({ breaches }: Verdict): string[] {
  return breaches.map(({ promise }) => promise);
}

test('what was acked and came once breaks nothing, nor does what was refused and never came', () => {
  const verdict = new Story().publish(0).deliver(0, '2.0.0').settle('2.0.0').publish(1, 'refused').verdict();
  assert.deepEqual(promises(verdict), []);
  assert.deepEqual([verdict.attempted, verdict.acked, verdict.delivered], [2, 1, 1]);
});

test('an acked event that never came is lost; one without an answer is not', () => {
  assert.deepEqual(promises(new Story().publish(0).verdict()), ['no acked event is lost']);
  assert.deepEqual(promises(new Story().publish(0, 'unknown').verdict()), []);
});

test('an event that never came while a later one of its key did is told as a hole', () => {
  const story = new Story();
  for (let n = 0; n <= 8; n++) story.publish(n);
  for (let n = 1; n <= 8; n++) story.deliver(n, `2.0.${n}`);
  const { breaches } = story.verdict();
  assert.deepEqual(
    breaches.map(({ promise }) => promise),
    ['no acked event is lost (a hole: later but not earlier)'],
  );
  assert.match(
    breaches[0]?.facts ?? '',
    /a1-0 never came to all-b1; published: acked .* a1-8 of the same key came/,
  );
});

test('an event in two places needs a repeated publish or a counted doubt', () => {
  const twice = (story: Story): Story => story.deliver(0, '2.0.0').deliver(0, '2.1.0');
  assert.deepEqual(promises(twice(new Story().publish(0)).verdict()), ['nothing twice without doubt']);
  const repeated = twice(new Story().publish(0, 'unknown').publish(0, 'acked', 2)).verdict();
  assert.deepEqual(promises(repeated), []);
  assert.deepEqual(repeated.explained, { 'twice: its publish was in doubt and was repeated': 1 });
  const refused = twice(new Story().publish(0, 'refused').publish(0, 'acked', 2)).verdict();
  assert.deepEqual(promises(refused), ['nothing twice without doubt']);
  const counted = twice(new Story().publish(0)).tell({ op: 'counted', mesher: 'b1', doubtful: 1, moves: {} });
  assert.deepEqual(promises(counted.verdict()), []);
});

test('counters begin anew with each life of a mesher, and those of another cluster explain nothing', () => {
  const story = new Story().publish(0).publish(1);
  for (const n of [0, 1]) story.deliver(n, `2.0.${n}`).deliver(n, `2.1.${n}`);
  const counted = (mesher: string): Happening => ({ op: 'counted', mesher, doubtful: 1, moves: {} });
  story.tell(counted('b1'), { op: 'started', mesher: 'b1', how: '' }, counted('b1'));
  assert.deepEqual(promises(story.verdict()), []);
  const other = new Story().publish(0).deliver(0, '2.0.0').deliver(0, '2.1.0').tell(counted('a1'));
  assert.deepEqual(promises(other.verdict()), ['nothing twice without doubt']);
});

test('what is settled never comes back; what was not may', () => {
  const again = new Story()
    .publish(0)
    .deliver(0, '2.0.0')
    .settle('2.0.0')
    .deliver(0, '2.0.0', { attempt: 2 });
  assert.deepEqual(promises(again.verdict()), ['what is settled never comes back']);
  const unsettled = new Story().publish(0).deliver(0, '2.0.0').deliver(0, '2.0.0', { attempt: 2 }).verdict();
  assert.deepEqual(promises(unsettled), []);
  assert.equal(unsettled.redelivered, 1);
});

test('order per key may be lost where a lane moved, and nowhere else', () => {
  const story = (): Story => overtaken(new Story());
  assert.deepEqual(promises(story().verdict()), ['order per key']);
  const moved = story().tell({ op: 'counted', mesher: 'a1', doubtful: 0, moves: { b: 1 } });
  assert.deepEqual(promises(moved.verdict()), []);
  const otherKey = new Story().publish(0).publish(1).deliver(1, '2.0.0').deliver(0, '2.0.1');
  assert.deepEqual(promises(otherKey.verdict()), []);
});

test('order per key may be lost on the lane that moved, and on any where it is not known which did', () => {
  const own = hash32(partitionKeyOf('a1', 0)) % LIMITS.lanesPerCluster;
  const other = (own + 1) % LIMITS.lanesPerCluster;
  const told = (moves: number, moved: number | undefined): Verdict => {
    const before = Array.from({ length: LIMITS.lanesPerCluster }, () => 'b1');
    const now = before.map((landing, lane) => (lane === moved ? 'b2' : landing));
    const looks = [before, now].map((landings, at): Happening => {
      return {
        op: 'counted',
        mesher: 'a1',
        doubtful: 0,
        moves: { b: at * moves },
        landings: { b: landings },
      };
    });
    return overtaken(new Story().tell(...looks.slice(0, 1)))
      .tell(...looks.slice(1))
      .verdict();
  };
  assert.deepEqual(promises(told(1, own)), []);
  assert.deepEqual(promises(told(1, other)), ['order per key']);
  assert.deepEqual(promises(told(2, other)), [], 'there and back between two looks, maybe this one');
  assert.deepEqual(promises(told(0, undefined)), ['order per key']);
});

function lost(mesher: string, how: 'disk' | 'damage' | 'away' = 'disk'): Happening {
  return { op: 'lost', mesher, node: `node-${mesher}`, how };
}

const quietSteps: readonly Happening[] = Array.from({ length: 2_000 }, () => {
  return { op: 'healed', nemesis: '', facts: '' };
});

test('what was handed out just before its mesher was lost may come twice, and nothing long before', () => {
  const told = (...between: readonly Happening[]): Verdict =>
    new Story()
      .publish(0)
      .deliver(0, 'b1-0:2.0.0')
      .settle('b1-0:2.0.0')
      .tell(...between)
      .deliver(0, 'b2-0:9.0.0')
      .verdict();
  for (const how of ['disk', 'damage', 'away'] as const)
    assert.deepEqual(promises(told(lost('b1', how))), []);
  const breach = ['nothing twice without doubt'];
  assert.deepEqual(promises(told(lost('c1'))), breach);
  assert.deepEqual(promises(told(...quietSteps, lost('b1'))), breach);
  const ago = new Story().tell(lost('b1'), ...quietSteps).publish(0);
  assert.deepEqual(promises(ago.deliver(0, '2.0.0').deliver(0, '9.0.0').verdict()), breach);
});

test('what came twice before a disk was lost did not come from its copies; who was away may have had others serve before it knew', () => {
  const told = (how: 'disk' | 'away'): Verdict =>
    new Story().publish(0).deliver(0, 'b1-0:2.0.0').deliver(0, 'b2-0:9.0.0').tell(lost('b1', how)).verdict();
  assert.deepEqual(promises(told('disk')), ['nothing twice without doubt']);
  assert.deepEqual(promises(told('away')), []);
});

test('all that a mesher handed out since it was last seen to have a copy may come twice when it is lost', () => {
  const told = (copied: boolean): Verdict =>
    new Story()
      .tell({ op: 'counted', mesher: 'b1', doubtful: 0, moves: {}, copied: true })
      .publish(0)
      .deliver(0, 'b1-0:2.0.0')
      .tell(
        ...quietSteps,
        { op: 'counted', mesher: 'b1', doubtful: 0, moves: {}, copied },
        lost('b1', 'away'),
      )
      .deliver(0, 'b2-0:9.0.0')
      .verdict();
  assert.deepEqual(promises(told(false)), []);
  assert.deepEqual(promises(told(true)), ['nothing twice without doubt']);
});

test('order per key may be lost from a loss on until it is taken over', () => {
  const told = (mesher: string): Verdict => overtaken(new Story(), [lost(mesher)]).verdict();
  assert.deepEqual(promises(told('b1')), []);
  assert.equal(told('b1').explained['out of order: a mesher was lost, and taken over'], 1);
  assert.deepEqual(promises(told('c1')), ['order per key'], 'that of another cluster explains nothing');
  const begun = new Story().tell(lost('b1'));
  assert.deepEqual(promises(overtaken(begun.tell(...quietSteps)).verdict()), []);
  const over: Happening = { op: 'taken-over', mesher: 'b1', node: 'node-b1' };
  const after = new Story().tell(lost('b1'), over, ...quietSteps);
  assert.deepEqual(promises(overtaken(after).verdict()), ['order per key']);
});

test('of a group one member is owed each event', () => {
  const group = { 'share-a1': 'a1', 'share-b1': 'b1' };
  const story = (): Story => new Story(group).publish(0).deliver(0, '2.0.0');
  const { breaches } = story().verdict();
  assert.match(breaches[0]?.facts ?? '', /a1-0 never came to any of the group; .* it came to all-b1/);
  assert.deepEqual(promises(story().deliver(0, '3.0.0', { subscriber: 'share-a1' }).verdict()), []);
});

test('other data, unpublished events, full queues at the end and what the run itself saw are breaches', () => {
  assert.deepEqual(promises(new Story().publish(0).deliver(0, '2.0.0', { same: 0 }).verdict()), [
    'events come as they were published',
  ]);
  assert.deepEqual(promises(new Story().deliver(0, '2.0.0').verdict()), ['nothing unexpected']);
  assert.deepEqual(promises(new Story().tell({ op: 'end', queued: { 'b1: all-b1': 3 } }).verdict()), [
    'nothing is left over',
  ]);
  assert.deepEqual(promises(new Story().tell({ op: 'broken', promise: 'p', facts: 'f' }).verdict()), ['p']);
});
