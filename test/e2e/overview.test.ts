// The dashboard's figures on real processes: a link that is cut between two clusters is named by a third, with what both ends say, and
// `causeway top` says so to scripts.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Alarm, DeadLettersView, Overview } from '../../node/core/overview.ts';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { sendJson } from '../support/in-process.ts';
import { until } from '../support/until.ts';

const COMMAND = join(import.meta.dirname, '../../bin/causeway.mjs');
/** A cut is noticed within seconds. */
const FLAGS = [
  '--timing-ping-every-ms=300',
  '--timing-link-silence-ms=4000',
  '--dashboard-operators=federation',
];

const overviewOf = (mesher: RunningMesher): Promise<Overview> => mesher.get<Overview>('/v1/overview');

function top(mesher: RunningMesher): { status: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [COMMAND, 'top', '--once', '--url', mesher.http],
    {
      encoding: 'utf8',
    },
  );
  return { status, text: stdout + stderr };
}

test('a link that is cut is named from elsewhere, and so is its end', async (t) => {
  const federation = await Federation.start(t, {
    clusters: { a: 1, b: 1, c: 1 },
    partitions: true,
    flags: FLAGS,
  });
  const [a, b, c] = ['a', 'b', 'c'].map((name) => federation.mesher(name)) as [
    RunningMesher,
    RunningMesher,
    RunningMesher,
  ];
  const well = await until('c shows that all is well', async () => {
    const overview = await overviewOf(c);
    return overview.alarms.length === 0 && overview.meshers.every(({ figures }) => figures)
      ? overview
      : undefined;
  });
  const nodeOf = (cluster: string): string => well.meshers.find((one) => one.cluster === cluster)?.node ?? '';
  assert.deepEqual(top(c).status, 0, top(c).text);

  federation.cutLink('a', 'b');
  const ends = new Set([nodeOf('a'), nodeOf('b')]);
  const isBoth = ({ about: { mesher = '', peer = '' } }: Alarm): boolean =>
    ends.has(mesher) && ends.has(peer);
  let seen = '';
  const alarm = await until(
    () => `c names the link between a and b; it shows ${seen}`,
    async () => {
      const { alarms, links } = await overviewOf(c);
      seen = JSON.stringify([alarms.map(({ text }) => text), links.map(({ state, why }) => [state, why])]);
      const down = links.filter(({ state }) => state === 'down');
      return down.length === 2 ? alarms.find((one) => one.code === 'link-down' && isBoth(one)) : undefined;
    },
  );
  assert.match(
    alarm.text,
    /The link between mesher …\w{6} of [ab] and mesher …\w{6} of [ab] is down since \d{4}-/,
  );
  await until('c shows both: it has links to them', async () =>
    (await overviewOf(c)).meshers.every(({ figures }) => figures),
  );
  const own = await overviewOf(a);
  const silent = own.meshers.find(({ node }) => node === nodeOf('b'))?.silent ?? '';
  assert.match(silent, /there is no link to it since \d{4}-/);
  const shown = top(c);
  assert.equal(shown.status, 4, shown.text);
  assert.match(shown.text, /‼ The link between/);

  federation.heal();
  await until('all is well again', async () => {
    const overviews = await Promise.all([a, b, c].map(overviewOf));
    return overviews.every(
      ({ alarms, meshers }) => alarms.length === 0 && meshers.every(({ figures }) => figures),
    );
  });
});

test('a dead letter is found from another cluster, redriven from there, and survives kill -9', async (t) => {
  const federation = await Federation.start(t, { clusters: { a: 1, b: 1 }, flags: FLAGS });
  const [a, b] = [federation.mesher('a'), federation.mesher('b')];
  await b.putSubscription('billing', { topic: 'orders/#' });
  await federation.whenRouted(a, 'orders/eu', ['b']);
  const event = { specversion: '1.0', id: '1', source: '/shop', type: 'order', data: { exact: 1 } };
  const published = await fetch(`${a.http}/v1/events?topic=orders/eu`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify(event),
  });
  assert.ok(published.ok, await published.text());
  interface Pulled {
    readonly events: readonly { readonly token: string; readonly event: { readonly id: string } }[];
  }
  const pull = async (): Promise<Pulled['events']> =>
    (await sendJson<Pulled>('POST', `${b.http}/v1/subscriptions/billing/pull`, { max: 10, waitMs: 1_000 }))
      .events;
  const [first] = await until('it has come', async () => {
    const events = await pull();
    return events.length > 0 ? events : undefined;
  });
  await sendJson('POST', `${b.http}/v1/subscriptions/billing/settle`, {
    reject: [{ token: first?.token, reason: 'no such customer' }],
  });

  const list = (): Promise<DeadLettersView> =>
    a.get<DeadLettersView>('/v1/dead-letters?subscription=billing');
  const [letter] = (await list()).letters;
  assert.equal(letter?.reason, 'rejected: no such customer');
  await b.kill();
  b.start();
  await b.whenReady();
  const found = await until('a finds it again', async () => (await list()).letters[0]);
  assert.deepEqual(found, letter);
  const whole = await a.get<{ event: typeof event }>(`/v1/dead-letters/${found.at.mesher}/${found.at.token}`);
  assert.deepEqual(whole.event.data, event.data);
  await until('a tells of it', async () =>
    (await overviewOf(a)).alarms.some(({ code }) => code === 'dead-letters'),
  );

  const settled = await sendJson<{ done: number; failed: unknown[] }>(
    'POST',
    `${a.http}/v1/dead-letters/redrive`,
    {
      letters: [found.at],
    },
  );
  assert.deepEqual(settled, { done: 1, failed: [] });
  await b.kill();
  b.start();
  await b.whenReady();
  const again = await until('billing gets it again', async () => {
    const events = await pull();
    return events.length > 0 ? events : undefined;
  });
  assert.deepEqual(
    again.map((one) => one.event.id),
    ['1'],
  );
  assert.equal((await list()).total, 0);
});
