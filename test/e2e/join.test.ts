// Who joins while another is away hears of it from those who know it, and keeps what is published for its subscriptions.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Federation } from '../support/federation.ts';
import { Consumer, Ledger, Publisher, untilTaken } from '../support/traffic.ts';
import { until } from '../support/until.ts';

const EVENTS = 1000;
const FLAGS = ['--registry-lease-ttl-ms', '3000'];

test('what is published where nobody was while a subscriber is away reaches it, also over a restart', async (t) => {
  const federation = await Federation.start(t, { clusters: { a: 1, b: 1 }, flags: FLAGS });
  const [a, b] = [federation.mesher('a'), federation.mesher('b')];
  await b.putSubscription('billing', { topic: 'e2e/#' });
  await federation.whenRouted(a, 'e2e/events', ['b']);
  await b.kill();
  await until('the lease of b is gone', async () => {
    const { members } = await a.federation();
    return members.find(({ cluster }) => cluster === 'b')?.status !== 'alive';
  });

  const c = await federation.join('c', FLAGS);
  await c.whenReady();
  await federation.whenRouted(c, 'e2e/events', ['b']);
  const { members } = await c.federation();
  assert.equal(members.find(({ cluster }) => cluster === 'b')?.status, 'dead');
  const publisher = new Publisher();
  await publisher.publish(() => c, 0, EVENTS / 2);
  await c.kill();
  c.start();
  await c.whenReady();
  await federation.whenRouted(c, 'e2e/events', ['b']);
  await publisher.publish(() => c, EVENTS / 2, EVENTS / 2);

  b.start();
  await b.whenReady();
  const ledger = new Ledger('billing', EVENTS);
  const consumer = new Consumer(b, 'billing', ledger);
  t.after(() => consumer.stop());
  await untilTaken('all is delivered', [ledger], () => ledger.missing(EVENTS).length === 0);
});
