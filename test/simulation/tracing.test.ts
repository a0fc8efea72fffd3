// Spans of whole federations, with every event traced: what holds of them without faults holds exactly, and faults cost spans, not sense.

import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { TraceObserver } from '../../node/observe/otel/observer.ts';
import type { Span } from '../../node/observe/otel/span.ts';
import type { Finder } from '../../node/observe/otel/traced-event.ts';
import type { NewEvent, NodeId, StoredEvent } from '../../node/core/event.ts';
import { run } from './run.ts';

const PUBLISHER = '00f067aa0ba902b7';

/** Of simulated events, which are no CloudEvents: each has a trace of its own, below a publisher's span. */
const find = (event: NewEvent & Partial<StoredEvent>): ReturnType<Finder['find']> => {
  const { cloudEvent, deadLetter, origin, incarnation, sequence } = event;
  const id = Buffer.from(cloudEvent).toString('latin1').split(' ', 1)[0] ?? '';
  const key = hash('sha256', id, 'hex');
  return {
    traceId: key.slice(0, 32),
    parentId: PUBLISHER,
    tracestate: '',
    source: '/simulated',
    id,
    type: 't',
    bytes: cloudEvent.length,
    key: deadLetter
      ? hash('sha256', `${key} ${deadLetter.subscription} ${origin}/${incarnation}/${sequence}`, 'hex')
      : key,
    formerKey: deadLetter && key,
    ownEntry: undefined,
  };
};
const finder: Finder = { find, findNew: find };

interface Told extends Span {
  readonly node: NodeId;
}

/** All that was told in one life of a federation. */
function spansOf(seed: number, quiet?: boolean): { spans: Told[]; dropped: string[]; breaches: number } {
  const spans: Told[] = [];
  const dropped: string[] = [];
  const observers = new Map<string, TraceObserver>();
  const { breaches } = run({
    seed,
    ...(quiet !== undefined && { quiet }),
    stepped: (mesher, inputs, effects) => {
      const { node, life } = mesher;
      const name = `${node} ${life}`;
      let observer = observers.get(name);
      if (!observer) {
        const told = (span: Span): void => void spans.push({ ...span, node });
        observer = new TraceObserver(node, finder, { ended: told, dropped: (why) => dropped.push(why) });
        observers.set(name, observer);
      }
      observer.stepped(inputs, effects, mesher.now());
    },
  });
  return { spans, dropped, breaches: breaches.length };
}

const nameOf = ({ name, node, attributes }: Told): string =>
  `${name} of ${String(attributes['messaging.message.id'])} on ${node}`;

/** Without faults, but with all that subscribers, publishers and late meshers do. */
for (const seed of [4, 8, 12, 16, 20, 24, 28, 52]) {
  void test(`all spans of seed ${seed} are in trees below their publishers' spans`, () => {
    const { spans, dropped, breaches } = spansOf(seed, true);
    assert.deepEqual([breaches, dropped], [0, []]);
    const told = new Map<string, Told>();
    const published = new Map<string, number>();
    for (const span of spans) {
      if (span.name === 'publish' && span.error === undefined)
        published.set(span.traceId, (published.get(span.traceId) ?? 0) + 1);
      told.set(span.spanId, span);
    }
    for (const span of spans) {
      const parent = told.get(span.parentId ?? '');
      assert.ok(parent?.traceId === span.traceId || span.parentId === PUBLISHER, `above ${nameOf(span)}`);
      if (parent && !span.parentIsRemote) assert.equal(parent.node, span.node, nameOf(span));
    }
    const once = spans.filter(({ traceId }) => (published.get(traceId) ?? 0) <= 1);
    assert.equal(new Set(once.map(({ spanId }) => spanId)).size, once.length, 'each has an id of its own');
    assert.ok(once.some(({ name }) => name === 'forward') && once.some(({ name }) => name === 'deliver'));
  });
}

void test('no fault keeps a mesher from going on because it is traced', () => {
  for (const seed of [1, 2, 3, 5, 6, 7, 9, 375]) {
    const { spans, breaches } = spansOf(seed);
    assert.equal(breaches, 0, `seed ${seed}`);
    for (const { startMs, endMs, spanId } of spans) {
      assert.ok(startMs <= endMs);
      assert.match(spanId, /^[0-9a-f]{16}$/);
    }
  }
});
