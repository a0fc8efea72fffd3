// Real meshers' metrics, and what deploy/ makes of them, before promtool.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type MetricFacts, METRICS } from '../../node/core/metric-catalogue.ts';
import { PREFIX } from '../../node/http/metrics.ts';
import { Federation } from '../support/federation.ts';
import { panelExpressions, readDashboard, RULES_FILE } from '../support/monitoring.ts';
import { promtool } from '../support/promtool.ts';
import { until } from '../support/until.ts';

test('a mesher tells all that the catalogue lists, and nothing else', async (t) => {
  const flags = ['--canary-every-ms', '500'];
  const federation = await Federation.start(t, { clusters: { a: 1, b: 1 }, flags });
  const [a, b] = [federation.mesher('a'), federation.mesher('b')];
  await b.putSubscription('all', { topic: 'orders/#' });
  await federation.whenRouted(a, 'orders/eu', ['b']);
  const event = { specversion: '1.0', id: '1', source: '/test', type: 'test' };
  const published = await fetch(`${a.http}/v1/events?topic=orders/eu`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify(event),
  });
  assert.ok(published.ok, await published.text());
  await until('b holds the event', async () => (await b.metric('causeway_subscription_queued_events')) === 1);
  await until('sizes were measured', async () => (await a.metric('causeway_journal_size_bytes')) > 0);

  for (const mesher of [a, b])
    await until(
      'a probe came back',
      async () => (await mesher.metric('causeway_canary_availability_ratio')) > 0,
    );

  const pages = await Promise.all([a, b].map(async ({ http }) => (await fetch(`${http}/metrics`)).text()));
  for (const page of pages) assert.equal(promtool(['check', 'metrics'], page), '');
  const told = pages.flatMap((page) => [...page.matchAll(/^# TYPE causeway_(\w+) (\w+)$/gm)]);
  const families = new Map(told.map(([, name, type]) => [name, type]));
  const rare = ['events_duplicate_total', 'events_doubtful_total', 'lane_gaps_total', 'lane_moves_total'];
  for (const [name, { type }] of Object.entries(METRICS)) {
    if (!rare.includes(name)) assert.equal(families.get(name), type, name);
    families.delete(name);
  }
  assert.deepEqual([...families.keys()], []);
  for (const page of pages) checkLabels(page);

  assert.equal(await a.metric('causeway_link_up', { cluster: 'b' }), 1);
  assert.ok((await a.metric('causeway_link_round_trip_seconds', { cluster: 'b' })) < 60, 'seconds');
  assert.equal(await a.metric('causeway_publish_ack_duration_seconds_count'), 1);
  assert.equal(await a.metric('causeway_mesher_info', { cluster: 'a', federation: 'acme' }), 1);
  const age = await b.metric('causeway_subscription_oldest_event_age_seconds');
  assert.ok(age > 0 && age < 3600, `${age} s`);
  const since = await a.metric('causeway_link_changed_timestamp_seconds', { cluster: 'b' });
  assert.ok(Math.abs(since - Date.now() / 1000) < 3600, `${since} is Unix time`);

  await b.kill();
  await until(
    'a says that it is down',
    async () => (await a.metric('causeway_link_up', { cluster: 'b' })) === 0,
  );
});

/** Each sample has the labels of its family, with values that are listed where there is a list. */
function checkLabels(page: string): void {
  for (const [, full = '', labels = ''] of page.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
    const name = full.slice(PREFIX.length).replace(/_(bucket|sum|count)$/, '');
    const { labels: known }: MetricFacts = METRICS[name as keyof typeof METRICS];
    const found = [...labels.matchAll(/(\w+)="([^"]*)"/g)].filter(([, label]) => label !== 'le');
    assert.deepEqual(
      found.map(([, label]) => label),
      known.map(([label]) => label),
      full,
    );
    for (const [at, [label, values]] of known.entries()) {
      const value = found[at]?.[2] ?? '';
      if (typeof values === 'object') assert.ok(value in values, `${label}="${value}" of ${full}`);
    }
  }
}

test('promtool finds nothing to say about the alerts, and they fire when they should', () => {
  promtool(['check', 'rules', RULES_FILE]);
  promtool(['test', 'rules', join(import.meta.dirname, 'prometheus/rules.test.yml')]);
});

test("promtool understands the dashboard's expressions", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-dashboard-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const rules = panelExpressions(readDashboard()).map(({ expr }, at) => ({ record: `panel:${at}`, expr }));
  assert.ok(rules.length > 30);
  const file = join(folder, 'panels.yml');
  await writeFile(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] })); // YAML takes JSON
  promtool(['check', 'rules', file]);
});
