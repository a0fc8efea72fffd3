import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeMessage } from '../../../node/wire/link-messages.ts';
import { FRAME_HEADER_BYTES } from '../../../node/wire/frames.ts';
import type { Drawn } from '../../bench/harness/scenario.ts';
import { peerId } from '../../bench/matching/topic-shapes.ts';
import { headsBytes } from '../../bench/routing/control-bytes.ts';
import { routingCurves } from '../../bench/routing/routing-curves.ts';

test('all versions told take the computed bytes, however many records there are', () => {
  for (const records of [0, 1, 127, 128, 1_000]) {
    const heads = Array.from({ length: records }, (_, i) => ({
      node: peerId(i),
      incarnation: 1_310_720_000,
      sequence: 100,
      digest: 1_310_720_000,
    }));
    const bytes = encodeMessage({ kind: 'route-heads', answer: false, heads }).length + FRAME_HEADER_BYTES;
    assert.equal(headsBytes(records), bytes);
  }
});

test('the drawing of routing is the same for the same figures, and has a dot for each that was simulated', () => {
  const row = (id: string, value: number, more = {}): Drawn => ({
    id,
    medians: { subject: { value, events: 1, more } },
  });
  const dots = (rows: readonly Drawn[]): number => routingCurves(rows).split('<circle').length - 1;
  const rows = [
    row('10.rest-10', 400),
    row('10.join-100', 2e6),
    row('10.spread-10', 20, { withoutGossipP50Ms: 6_000 }),
    row('10.spread-100', 20, { withoutGossipP50Ms: 15_000 }),
    row('8.match-1e4', 7),
  ];
  assert.equal(routingCurves(rows), routingCurves(rows));
  assert.equal(dots(rows), 6);
  assert.equal(dots([]), 0);
  assert.match(routingCurves(rows), /Until all know/);
  assert.doesNotMatch(routingCurves([]), /Until all know|NaN|Infinity/);
  assert.doesNotMatch(routingCurves(rows), /NaN|Infinity/);
});
