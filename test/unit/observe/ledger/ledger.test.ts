import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockList } from '../../../../node/core/block-list.ts';
import {
  ack,
  at,
  entry,
  expired,
  frame,
  Kept,
  LANE,
  LIFE,
  linkUp,
  opened,
  QUEUE,
  SENDER,
} from './ledgers.ts';

/** A sender that has given places 1 to `to`, and a receiver, linked. */
function pair(to: number): { s: Kept; r: Kept } {
  const [s, r] = [new Kept(SENDER, LIFE), new Kept('r1', 3)];
  s.heard(linkUp('r1', 3));
  r.heard(linkUp(SENDER, LIFE));
  s.writes(opened(), entry(1, to));
  return { s, r };
}

function lands(r: Kept, from: number, to: number): void {
  r.heard({ kind: 'messages', peer: SENDER, messages: [frame(from, to)] });
  r.writes({ op: 'mark', sender: SENDER, ...LANE, position: at(to) });
}

function sends(s: Kept, from: number, to: number, peer = 'r1'): void {
  s.did({ kind: 'data', peer, message: frame(from, to) });
}

function kinds({ found }: Kept): string[] {
  return found.map(({ kind }) => kind);
}

test('what was sent, taken and acked agrees, in both directions', () => {
  const { s, r } = pair(5);
  sends(s, 1, 5);
  lands(r, 1, 5);
  s.heard(ack('r1', 5));
  assert.deepEqual([s.compareWith(r), r.compareWith(s)], [[], []]);
  assert.deepEqual([kinds(s), kinds(r)], [[], []]);
  const [lane] = s.comparison.lanesOf('r1', r.comparison.tell(SENDER));
  assert.deepEqual([lane?.from, lane?.to, lane?.sent, lane?.acked, lane?.received], [1, 5, 5, 5, 5]);
  const [landed] = r.comparison.lanesOf(SENDER, s.comparison.tell('r1'));
  assert.deepEqual([landed?.direction, landed?.sent, landed?.received], ['in', 5, 5]);
});

test('an event that was acked and did not arrive is said by either end', () => {
  const { s, r } = pair(5);
  sends(s, 1, 5);
  lands(r, 1, 2);
  lands(r, 4, 5);
  s.heard(ack('r1', 5));
  r.compareWith(s);
  s.compareWith(r);
  assert.deepEqual([kinds(s), kinds(r)], [['not-taken'], ['not-taken']]);
  assert.match(s.found[0]?.text ?? '', /^sequence 3 of lane c:b:0 were acked by r1/);
  assert.match(r.found[0]?.text ?? '', /^sequence 3 of its lane 0 to this cluster/);
  assert.equal(s.comparison.differencesWith('r1').length, 1);
  s.compareWith(r);
  assert.equal(s.found.length, 1, 'and once');
});

test('an event that a lane goes past is missing when what follows is acked, not where it expired', () => {
  const { s, r } = pair(6);
  sends(s, 1, 2);
  s.heard(ack('r1', 2));
  s.did(expired(3));
  sends(s, 5, 6);
  assert.deepEqual(kinds(s), []);
  s.heard(ack('r1', 6));
  assert.deepEqual(kinds(s), ['passed-over']);
  assert.match(s.found[0]?.text ?? '', /^sequence 4 of lane/);
  lands(r, 1, 2);
  lands(r, 5, 6);
  s.compareWith(r);
  assert.deepEqual(kinds(s), ['passed-over'], 'it is said once');
});

test('a place that never came to the journal, and one that the queue lost', () => {
  const { s } = pair(2);
  s.writes(entry(4, 2));
  assert.deepEqual(kinds(s), ['never-written']);
  s.held = 4;
  s.ledger.audit();
  assert.deepEqual(kinds(s), ['never-written']);
  s.held = 3;
  s.ledger.audit();
  s.ledger.audit();
  assert.deepEqual(kinds(s), ['never-written', 'not-queued']);
});

test('an ack of what was never given out is none', () => {
  const { s, r } = pair(2);
  s.heard(ack('r1', 9));
  assert.equal(s.ledger.sentLanes()[0]?.open.count, 2);
  s.compareWith(r);
  assert.deepEqual(kinds(s), []);
});

test('a mark that moves behind all that came is said; one that a sender vouches for is not', () => {
  const { r } = pair(9);
  lands(r, 1, 2);
  r.heard({ kind: 'messages', peer: SENDER, messages: [{ kind: 'lane-open', ...LANE, base: at(5) }] });
  r.writes({ op: 'mark', sender: SENDER, ...LANE, position: at(5) });
  assert.deepEqual(kinds(r), []);
  r.writes({ op: 'mark', sender: SENDER, ...LANE, position: at(8) });
  assert.deepEqual(kinds(r), ['never-came']);
  assert.match(r.found[0]?.text ?? '', /^sequences 6 to 8/);
});

test('what a sender vouches for is not taken, until that life of it is over', () => {
  const { s, r } = pair(5);
  r.heard({ kind: 'messages', peer: SENDER, messages: [{ kind: 'lane-open', ...LANE, base: at(5) }] });
  r.writes({ op: 'mark', sender: SENDER, ...LANE, position: at(5) });
  sends(s, 1, 5);
  s.heard(ack('r1', 5));
  const again = pair(5);
  again.s.heard(ack('r1', 5));
  s.compareWith(r);
  assert.deepEqual(kinds(s), ['not-taken']);
  r.heard(linkUp(SENDER, LIFE + 1));
  const later = new Kept(SENDER, LIFE + 1, { queues: [recoveredQueue([1, 5])] });
  later.heard(ack('r1', 5));
  later.compareWith(r);
  assert.deepEqual(kinds(later), []);
});

test('who was started again and has forgotten what it acked leaves it unknown', () => {
  const { s, r } = pair(5);
  sends(s, 1, 5);
  lands(r, 1, 5);
  s.heard(ack('r1', 5));
  const started = new Kept('r1', 4, { marks: [{ sender: SENDER, ...LANE, position: at(3) }] });
  assert.match(
    s.compareWith(started)[0] ?? '',
    /^sequences 4 to 5 of lane c:b:0 were acked before r1 was started/,
  );
  assert.deepEqual(kinds(s), []);
  assert.deepEqual(s.compareWith(started), [], 'nothing more is to be learnt');
});

function recoveredQueue(...ranges: readonly (readonly [number, number])[]) {
  const blocks = ranges.map(([from, to], block) => ({ block, count: to - from + 1, first: at(from) }));
  return { queue: QUEUE, name: 'c:b:0', blocks: new BlockList(blocks) };
}

const LEFT = [{ incarnation: LIFE, from: 1, to: 9 }];

test('what waited at an orderly stop and does not at the start was taken away', () => {
  for (const [ranges, missing] of [
    [[[2, 9]], /^sequence 1 of/],
    [[[1, 3], [5, 9]], /^sequence 4 of/], // prettier-ignore
    [[[1, 8]], /^sequence 9 of/],
    [[], /^sequences 1 to 9 of/],
  ] as const) {
    const s = new Kept(SENDER, LIFE, { queues: [recoveredQueue(...ranges)] });
    s.ledger.begin({ 'c:b:0': LEFT });
    assert.deepEqual(kinds(s), ['left-journal']);
    assert.match(s.found[0]?.text ?? '', missing);
  }
  const gone = new Kept(SENDER, LIFE);
  gone.ledger.begin({ 'c:b:0': LEFT });
  assert.deepEqual(kinds(gone), ['left-journal'], 'with its queue');
  const more = new Kept(SENDER, LIFE, { queues: [recoveredQueue([1, 9])] });
  more.ledger.begin({ 'c:b:0': [{ incarnation: LIFE, from: 3, to: 9 }] });
  assert.deepEqual(kinds(more), [], 'a block of which a part was settled comes back whole');
});

test('after a crash a hole in the journal is a difference when no mesher of the destination has it', () => {
  const queues = [recoveredQueue([1, 3], [5, 5], [7, 9])];
  const s = new Kept(SENDER, LIFE + 1, { queues });
  s.ledger.begin(undefined);
  const r1 = new Kept('r1', 3);
  const r2 = new Kept('r2', 3, { marks: [{ sender: SENDER, ...LANE, position: at(4) }] });
  s.compareWith(r1);
  assert.deepEqual(kinds(s), [], 'the other may have it');
  s.compareWith(r2);
  assert.deepEqual(kinds(s), ['left-journal']);
  assert.match(s.found[0]?.text ?? '', /^sequence 6 of incarnation 7 of lane c:b:0/);
});

test('what waits is what the next life is told', () => {
  const { s } = pair(5);
  sends(s, 1, 3);
  s.heard(ack('r1', 2));
  assert.deepEqual(s.ledger.openPlaces(), { 'c:b:0': [{ incarnation: LIFE, from: 3, to: 5 }] });
  s.writes({ op: 'drop-queue', queue: QUEUE });
  assert.deepEqual(s.ledger.openPlaces(), {});
});
