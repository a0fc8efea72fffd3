// Real events across real processes: each remote cluster gets each event once over the link, each subscription once, in
// order per key, a group once in all.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Federation } from '../support/federation.ts';
import { Consumer, Ledger, Publisher, untilTaken } from '../support/traffic.ts';
import { until } from '../support/until.ts';

const EVENTS = 100_000;

test(`${EVENTS} events reach two subscriptions in each of two remote clusters exactly once, and a group once in all`, async (t) => {
  const federation = await Federation.start(t, {
    clusters: { 'aws-eu-west-1': 1, 'gcp-us-east1': 1, 'azure-ap-southeast1': 1 },
  });
  const origin = federation.mesher('aws-eu-west-1');
  const remotes = ['gcp-us-east1', 'azure-ap-southeast1'];
  const ledgers: Ledger[] = [];
  const consumers: Consumer[] = [];
  const group = new Ledger('group', EVENTS);
  for (const cluster of remotes) {
    const mesher = federation.mesher(cluster);
    for (const name of ['first', 'second']) {
      const ledger = new Ledger(`${cluster}/${name}`, EVENTS);
      ledgers.push(ledger);
      await mesher.putSubscription(name, { topic: 'e2e/#' });
      consumers.push(new Consumer(mesher, name, ledger));
    }
    await mesher.putSubscription('member', { topic: 'e2e/events', group: 'workers' });
    consumers.push(new Consumer(mesher, 'member', group));
  }
  t.after(() => Promise.all(consumers.map((consumer) => consumer.stop())));
  await federation.whenRouted(origin, 'e2e/events', remotes);
  await until('the group is known to the origin', async () => {
    const { destinations, others } = await origin.routes('e2e/events');
    return [...destinations.flatMap((one) => one.because), ...others].length >= 4;
  });

  const publisher = new Publisher();
  t.diagnostic(`payloads: ${publisher.source}`);
  await publisher.publish(() => origin, 0, EVENTS);
  assert.equal(publisher.repeated, 0, 'no publish was in doubt');
  const all = [...ledgers, group];
  await untilTaken('everything delivered', all, () => all.every((ledger) => ledger.distinct >= EVENTS));

  for (const ledger of all) {
    assert.deepEqual(ledger.missing(EVENTS), [], `${ledger.name} misses nothing`);
    assert.equal(ledger.duplicates, 0, `${ledger.name} got nothing twice`);
    assert.equal(ledger.outOfOrder, 0, `${ledger.name} got every key in order`);
  }
  for (const link of (await origin.links()).links) {
    assert.equal(link.sentEvents, EVENTS, `each event crossed to ${link.cluster} once`);
  }
  await until('every queue is empty and the journal truncated', async () => {
    const queues = await Promise.all(federation.meshers().map((mesher) => mesher.queues()));
    const blocks = await Promise.all(
      federation.meshers().map((mesher) => mesher.metric('causeway_journal_blocks')),
    );
    return queues.flat().every((queue) => queue.depth === 0) && blocks.every((count) => count === 0);
  });
});
