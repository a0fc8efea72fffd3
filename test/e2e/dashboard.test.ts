// Somebody looks at a federation in trouble through the dashboard of one of its meshers, in a real browser: two of three clusters are cut off
// from each other, a consumer settles nothing, and an event was rejected. Each is named on the page, in every view where one would look.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Overview } from '../../node/core/overview.ts';
import { builtDashboard, openPageOf } from '../dashboard/browser.ts';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { sendJson } from '../support/in-process.ts';
import { until } from '../support/until.ts';

const [EU, US, ASIA] = ['aws-eu-west-1', 'gcp-us-east1', 'azure-ap-southeast1'] as const;
/** A cut is noticed within seconds, and settling of dead letters is for everybody. */
const FLAGS = [
  '--timing-ping-every-ms=300',
  '--timing-link-silence-ms=4000',
  '--dashboard-operators=federation',
  '--canary-every-ms',
  '1000',
];

interface Pulled {
  readonly events: readonly { readonly token: string; readonly event: { readonly id: string } }[];
}

async function publish(mesher: RunningMesher, topic: string, ...ids: readonly string[]): Promise<void> {
  const events = ids.map((id) => ({ specversion: '1.0', source: '/shop', type: 'order', id, data: { id } }));
  const response = await fetch(`${mesher.http}/v1/events?topic=${topic}`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents-batch+json' },
    body: JSON.stringify(events),
  });
  assert.equal(response.status, 202, await response.text());
}

const settle = (mesher: RunningMesher, name: string, body: object): Promise<object> =>
  sendJson('POST', `${mesher.http}/v1/subscriptions/${name}/settle`, body);

/** All that comes within a moment. */
const pull = async (mesher: RunningMesher, name: string): Promise<Pulled['events']> =>
  (await sendJson<Pulled>('POST', `${mesher.http}/v1/subscriptions/${name}/pull`, { max: 100, waitMs: 500 }))
    .events;

test('each view names what is wrong: a partition, a consumer that settles nothing, and a poison event', async (t) => {
  await builtDashboard();
  const federation = await Federation.start(t, {
    clusters: { [EU]: 1, [US]: 1, [ASIA]: 1 },
    partitions: true,
    flags: FLAGS,
  });
  const [eu, us, asia] = [EU, US, ASIA].map((name) => federation.mesher(name)) as [
    RunningMesher,
    RunningMesher,
    RunningMesher,
  ];
  await us.putSubscription('billing', { topic: 'orders/#' });
  await asia.putSubscription('search', { topic: 'orders/#', delivery: { maxInFlight: 5 } });
  await federation.whenRouted(eu, 'orders/eu', [US, ASIA]);

  const stuck = new AbortController();
  t.after(async () => stuck.abort());
  const consumer = await fetch(`${asia.http}/v1/subscriptions/search/events?ack=explicit`, {
    signal: stuck.signal,
  });
  void consumer.text().catch(() => undefined); // it reads all it gets, and settles nothing

  await publish(eu, 'orders/eu', 'good', 'poison', ...Array.from({ length: 20 }, (_, i) => `filler-${i}`));
  const taken = new Map<string, string>();
  await until('billing has them', async () => {
    for (const { token, event } of await pull(us, 'billing')) taken.set(event.id, token);
    return taken.size === 22;
  });
  const poison = taken.get('poison');
  taken.delete('poison');
  await settle(us, 'billing', {
    ack: [...taken.values()],
    reject: [{ token: poison, reason: 'no such customer' }],
  });
  await until('a dead letter is told apart from what waits', async () => {
    const { meshers } = await asia.get<Overview>('/v1/overview');
    const figures = meshers.find(({ cluster }) => cluster === US)?.figures;
    return figures?.deadLetters === 1 && figures.queued === 0;
  });
  federation.cutLink(EU, US);
  await publish(eu, 'orders/eu', 'late');

  // seen from the one cluster that is not concerned by the cut
  const { page, open, check } = await openPageOf(t, asia.http);
  page.setDefaultTimeout(60_000);
  for (const code of ['link-down', 'dead-letters', 'subscription-stuck'])
    await until(`an alarm: ${code}`, async () =>
      (await asia.get<Overview>('/v1/overview')).alarms.some((alarm) => alarm.code === code),
    );

  const alarms = page.locator('.alarm');
  for (const said of [
    /link between mesher .*(aws-eu-west-1|gcp-us-east1).*is down since/i,
    /Subscription search \(orders\/#\).*azure-ap-southeast1 does not keep up.*settle none/,
    /1 event is a dead letter on mesher .* of gcp-us-east1/,
  ])
    await alarms.filter({ hasText: said }).first().waitFor();

  await open('#/map');
  await page
    .getByRole('link', { name: /^Down .*between (aws-eu-west-1 and gcp-us-east1|gcp-us-east1 and aws)/ })
    .click();
  await page
    .getByText(/since \d\d:\d\d:\d\d/)
    .first()
    .waitFor();
  await open('#/map?as=world');
  await page
    .getByRole('link', { name: /^Mesher .* of gcp-us-east1/ })
    .first()
    .waitFor();

  await open('#/subscriptions');
  await page.getByLabel(/Only those that do not keep up/).check();
  assert.match((await page.locator('tbody tr').first().textContent()) ?? '', /search.*azure-ap-southeast1/);

  await open('#/topics');
  const topic = page.getByRole('row', { name: /orders\/eu/ });
  assert.match((await topic.textContent()) ?? '', /aws-eu-west-1.*(billing in gcp-us-east1|search in azure)/);

  await open('#/flow');
  await page.getByRole('combobox', { name: 'Of' }).selectOption({ label: EU });
  await page.getByRole('slider', { name: 'Time in Events per second' }).waitFor();

  await open('#/dead-letters');
  await page.getByRole('link', { name: '/shop poison' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('"id": "poison"').waitFor();
  assert.match((await dialog.textContent()) ?? '', /no such customer/);
  await page.keyboard.press('Escape');

  const find = async (id: string): Promise<void> => {
    await open('#/find');
    await page.getByRole('textbox', { name: 'Source' }).fill('/shop');
    await page.getByRole('textbox', { name: 'Id' }).fill(id);
    await page.keyboard.press('Enter');
  };
  await find('late');
  await page
    .getByText(/gcp-us-east1.*(link|down)/)
    .first()
    .waitFor();
  await find('poison');
  await page
    .getByText(/no such customer/)
    .first()
    .waitFor();
  await find('good');
  await page
    .locator('.hop-what')
    .filter({ hasText: /billing/ })
    .first()
    .waitFor();

  await open('#/dry-run');
  await page.getByRole('combobox', { name: 'Topic' }).fill('nobody/wants');
  await page.keyboard.press('Enter');
  await page.getByText('would go nowhere: nobody wants it').waitFor();

  // and mended from there
  await open('#/dead-letters');
  await page.getByLabel('Choose /shop poison').check();
  await page.getByRole('button', { name: 'Redrive 1 chosen' }).click();
  await dialog.getByRole('button', { name: /^Redrive 1$/ }).click();
  await page.getByText('1 dead letter was put back into the subscription’s queue.').waitFor();
  await until('billing gets it again', async () =>
    (await pull(us, 'billing')).some(({ event }) => event.id === 'poison'),
  );
  federation.heal();
  await until('what waited has come', async () =>
    (await pull(us, 'billing')).some(({ event }) => event.id === 'late'),
  );
  await open('');
  await page
    .locator('.alarm')
    .filter({ hasText: /link between/ })
    .first()
    .waitFor({ state: 'detached' });
  check();
});
