import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planOf, rateThatFits } from './plan.ts';
import type { Resources } from './resources.ts';
import { BOUNDS, breaches, type Outage, type Seen } from './verdict.ts';

const resources: Resources = {
  rssBytes: 200e6,
  heapBytes: 60e6,
  timers: 30,
  handles: 20,
  sockets: 10,
  files: 8,
  diskBytes: 5e6,
};
const outage: Outage = { seconds: 10, backlog: 1000, acked: 1000, recoveredSeconds: 2 };

function seen(parts: Partial<Seen>): Seen {
  return {
    acked: 5000,
    missing: { count: 0, facts: '' },
    duplicates: 0,
    doubts: {},
    queued: {},
    outages: [outage, outage],
    meshers: [{ name: 'mesher 0', baseline: resources, end: resources }],
    ...parts,
  };
}

test('a soak in which all came back breaks nothing', () => {
  assert.deepEqual(breaches(seen({})), []);
});

test('each broken promise of a soak is told', () => {
  const cases: readonly (readonly [Partial<Seen>, RegExp])[] = [
    [{ acked: 0 }, /nothing was acked/],
    [{ missing: { count: 3, facts: 'publisher 0: 4, 5, 6' } }, /3 acked events are lost: publisher 0/],
    [{ queued: { 'b: soak': 7 } }, /7 events are still in queue b: soak/],
    [{ outages: [{ ...outage, backlog: 100 }] }, /outage 1 was none/],
    [{ outages: [outage, { ...outage, recoveredSeconds: undefined }] }, /after outage 2 the backlog/],
  ];
  for (const [parts, expected] of cases) {
    const broken = breaches(seen(parts));
    assert.equal(broken.length, 1);
    assert.match(broken[0] ?? '', expected);
  }
});

test('what comes again is explained by doubts, as far as they go', () => {
  assert.deepEqual(breaches(seen({ duplicates: 5, doubts: { again: 3, doubtful: 2 } })), []);
  assert.match(breaches(seen({ duplicates: 6, doubts: { again: 5 } }))[0] ?? '', /6 .* 5 are explained/);
});

test('each resource may grow up to its bound, and no further', () => {
  for (const what of Object.keys(BOUNDS) as (keyof Resources)[]) {
    const most = resources[what] * BOUNDS[what].factor + BOUNDS[what].more;
    const ending = (value: number): string[] =>
      breaches(
        seen({ meshers: [{ name: 'mesher 0', baseline: resources, end: { ...resources, [what]: value } }] }),
      );
    assert.deepEqual(ending(most), []);
    assert.match(ending(most + 1)[0] ?? '', new RegExp(`mesher 0 holds more than before: ${what}`));
  }
});

test('outages share the minutes one to two, and a backlog is held to half of the free disk', () => {
  assert.deepEqual(planOf(15).outageSeconds, [300, 600]);
  assert.deepEqual(planOf(15, [1]).outageSeconds, [60]);
  const fits = rateThatFits(planOf(15), 256, 100e9);
  assert.ok(fits * 600 * 256 < 50e9, 'payloads alone are less than half');
  assert.ok(rateThatFits(planOf(30), 256, 100e9) < fits);
});
