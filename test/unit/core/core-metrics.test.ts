import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockList } from '../../../node/core/block-list.ts';
import { viewMetrics } from '../../../node/core/core-metrics.ts';
import { signMember } from '../../../node/core/membership.ts';
import type { MesherCore } from '../../../node/core/mesher-core.ts';
import type { MetricName } from '../../../node/core/metric-catalogue.ts';
import type { MemberRecord, Recovered } from '../../../node/core/ports.ts';
import { TIMING } from '../../../node/core/timing.ts';
import { NOTHING } from '../../contracts/journal-contract.ts';
import { KeyRing } from '../../simulation/fake-keys.ts';
import { loneCore, NOW } from '../../support/lone-core.ts';

const later = (ms: number) => ({ wall: NOW.wall + ms, monotonic: NOW.monotonic + ms });

function member(node: string, cluster: string): MemberRecord {
  const own = { federation: 'acme', cluster, node, incarnation: 1, addresses: [], http: '', labels: {} };
  return signMember(new KeyRing().make(node, 'secret'), { ...own, version: '0' });
}

function told(core: MesherCore, name: MetricName, ms: number) {
  const found = viewMetrics(core, later(ms)).find((family) => family.name === name);
  return found?.samples.map(({ labels, value }) => [...Object.values(labels), value]);
}

function coreWith(found: Partial<Recovered>): MesherCore {
  return loneCore({ ...NOTHING, nextBlock: 10, ...found });
}

test('a link that never stood is down, since the start, until its member is dead', () => {
  const core = coreWith({ members: [member('b', 'us')] });
  assert.deepEqual(told(core, 'link_up', 5_000), [['b', 'us', 0]]);
  assert.deepEqual(told(core, 'link_changed_timestamp_seconds', 5_000), [['b', 'us', NOW.wall / 1000]]);
  assert.deepEqual(told(core, 'link_round_trip_seconds', 5_000), []);
  core.step([{ kind: 'members', list: { revision: 1, members: [] } }], NOW);
  core.step([{ kind: 'tick' }], later(TIMING.deadAfterMs + 1_000));
  assert.deepEqual(told(core, 'link_up', TIMING.deadAfterMs + 1_000), []);
  assert.deepEqual(
    told(core, 'members', 0)?.filter(([, count]) => count !== 0),
    [
      ['alive', 1],
      ['dead', 1],
    ],
  );
});

test('lanes to who is no member here are one destination, however many are named', () => {
  const first = { incarnation: 1, sequence: 1 };
  const names = ['p:ghost', 'p:phantom', 'c:nowhere:3', 'c:us:0', 'c:us:1'];
  const queues = names.map((name, at) => ({
    queue: at + 1,
    name,
    blocks: new BlockList([{ block: at, count: at + 1, first }]),
  }));
  const core = coreWith({ members: [member('b', 'us')], queues });
  assert.deepEqual(told(core, 'lane_queued_events', 0), [
    ['unknown', 1 + 2 + 3],
    ['us', 4 + 5],
  ]);
});

test('what is on disk only is at least as old as the start, and what does not wait has no age', () => {
  const first = { incarnation: 1, sequence: 1 };
  const core = coreWith({
    members: [member('b', 'us'), member('c', 'asia')],
    queues: [
      { queue: 1, name: 'c:us:0', blocks: new BlockList([{ block: 3, count: 2, first }]) },
      { queue: 2, name: 'c:asia:0', blocks: new BlockList() },
    ],
  });
  assert.deepEqual(told(core, 'lane_oldest_event_age_seconds', 7_000), [
    ['us', 7],
    ['asia', 0],
  ]);
});

test('publishing takes as long as its answer, refusals left out', () => {
  const core = coreWith({});
  const event = { topic: 'a', expiresAt: 0, key: '', hash: 0, cloudEvent: Buffer.from('x') };
  const publish = (request: number) =>
    core.step([{ kind: 'publish', request, qos: 'durable', report: false, events: [event] }], NOW);
  publish(1);
  core.step([{ kind: 'disk', state: 'full' }], NOW);
  publish(2);
  const count = viewMetrics(core, NOW)
    .find(({ name }) => name === 'publish_ack_duration_seconds')
    ?.samples.find(({ suffix }) => suffix === '_count');
  assert.equal(count?.value, 1);
});
