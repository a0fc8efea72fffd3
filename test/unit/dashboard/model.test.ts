import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linePath, summarise, timeTicks, valueScale } from '../../../node/dashboard/model/chart-scale.ts';
import { formatNumber } from '../../../node/dashboard/model/format.ts';
import { traceOutcome } from '../../../node/dashboard/model/hops.ts';
import { alarmOf, edgesOf } from '../../../node/dashboard/model/links.ts';
import { whereabouts } from '../../../node/dashboard/model/names.ts';
import { payloadOf } from '../../../node/dashboard/model/payload.ts';
import { fitPlaces, project, toPixels } from '../../../node/dashboard/model/projection.ts';
import { hashOf, parseHash } from '../../../node/dashboard/model/routes.ts';
import { compareCells, matchesSearch } from '../../../node/dashboard/model/sorting.ts';
import { NODES, overviewAt, traceAt } from '../../dashboard/scripted-federation.ts';

const overview = overviewAt(Date.parse('2026-11-20T03:12:44Z'));

test('an address of the page comes back as it was made, whatever names are in it', () => {
  const path = ['12D3Koo', 'a/b c%?#ü'];
  const hash = hashOf('subscriptions', path, { topic: 'orders/+/#', source: '' });
  assert.deepEqual(parseHash(hash), { view: 'subscriptions', path, query: { topic: 'orders/+/#' } });
  assert.deepEqual(parseHash(''), { view: '', path: [], query: {} });
  assert.deepEqual(parseHash('#/nothing/of/the/kind').view, '');
  assert.deepEqual(parseHash('#/topics/100%').path, ['100%'], 'written by hand');
});

test('links between two clusters are one line, as bad as the worst of them', () => {
  const edges = edgesOf(overview.meshers, overview.links);
  const states = edges.map(({ a, b, state, bad, links }) => `${a} ${b}: ${state}, ${bad} of ${links.length}`);
  assert.deepEqual(states, [
    'aws-eu-west-1 aws-eu-west-1: up, 0 of 2',
    'aws-eu-west-1 azure-ap-southeast1: slow, 1 of 4',
    'aws-eu-west-1 gcp-us-east1: up, 0 of 8',
    'azure-ap-southeast1 gcp-us-east1: down, 3 of 4',
    'gcp-us-east1 gcp-us-east1: up, 0 of 2',
  ]);
  const [worst] = edges[3]?.links ?? [];
  assert.equal(worst?.state, 'down');
  assert.equal(edgesOf([], overview.links).length, 0, 'links of meshers that are not known');
});

test('an alarm about a link is found from either end', () => {
  const link = overview.links.find(({ from, to }) => from === NODES.gcp1 && to === NODES.azure1);
  assert.equal(link && alarmOf(overview.alarms, link)?.code, 'link-down');
  const other = overview.links.find(({ from, to }) => from === NODES.aws1 && to === NODES.aws2);
  assert.equal(other && alarmOf(overview.alarms, other), undefined);
});

test('a mesher is called by its cluster, and by its own name where the cluster has several', () => {
  assert.equal(whereabouts(overview, NODES.azure1), 'azure-ap-southeast1');
  assert.equal(whereabouts(overview, NODES.gcp2), 'gcp-us-east1 / g2');
  assert.equal(whereabouts(overview, '12D3KooWUnknownMesher123456'), '…123456');
});

test('what is not known comes last in either order, and numbers in names are numbers', () => {
  const sorted = (values: (number | string | undefined)[], descending: boolean) =>
    values.toSorted((one, other) => compareCells(one, other, descending));
  assert.deepEqual(sorted([undefined, 2, 10, 1], false), [1, 2, 10, undefined]);
  assert.deepEqual(sorted([2, undefined, 10, 1], true), [10, 2, 1, undefined]);
  assert.deepEqual(sorted(['site-10', 'site-9'], false), ['site-9', 'site-10']);
});

test('a search finds what has all its words, in any order and case', () => {
  assert.ok(matchesSearch('', ['a']));
  assert.ok(matchesSearch('AZURE billing', ['billing', 'azure-ap-southeast1']));
  assert.ok(!matchesSearch('azure orders', ['billing', 'azure-ap-southeast1']));
});

const labels = (max: number): string[] => valueScale(max).ticks.map(formatNumber);

test('a chart goes from 0 in round steps over the highest value', () => {
  assert.deepEqual(labels(0), ['0', '0.2', '0.4', '0.6', '0.8', '1']);
  assert.deepEqual(labels(0.02), ['0', '0.1', '0.2', '0.3', '0.4', '0.5'], 'one a minute');
  assert.deepEqual(labels(12_480), ['0', '5,000', '10k', '15k']);
  assert.deepEqual(valueScale(147).ticks, [0, 50, 100, 150]);
  for (const max of [0.3, 7, 99, 101, 12_480, 1e6]) {
    const scale = valueScale(max);
    assert.ok(scale.max >= max && scale.ticks.length >= 3 && scale.ticks.length <= 6, String(max));
  }
  assert.deepEqual(
    valueScale(3.2 * 2 ** 20, 2 ** 20).ticks,
    [0, 1, 2, 3, 4].map((mib) => mib * 2 ** 20),
  );
});

test('times along a chart are round, and no more than have room', () => {
  const until = Date.parse('2026-11-20T03:12:44Z');
  const ticks = timeTicks(until - 3_600_000, until, 5);
  assert.deepEqual(
    ticks.map((at) => new Date(at).toISOString().slice(11, 16)),
    ['02:15', '02:30', '02:45', '03:00'],
  );
});

test('where nothing was known a line is broken, and not drawn as nought', () => {
  const path = linePath(
    [1, 2, null, null, 3, null, 4, 5],
    (x) => x,
    (y) => y,
  );
  assert.equal(path, 'M0.0 1.0L1.0 2.0M4.0 3.0h.01M6.0 4.0L7.0 5.0');
  assert.deepEqual(summarise([1, null, 3]), { last: 3, min: 1, mean: 2, max: 3 });
  assert.deepEqual(summarise([1, null]), { last: undefined, min: 1, mean: 1, max: 1 });
});

test('the flat map keeps the equator, north up, and shows all places with some room around', () => {
  assert.equal(project({ lat: 0, lon: 10 }).x, 10);
  assert.ok(Math.abs(project({ lat: 0, lon: 10 }).y) < 1e-9);
  assert.ok(project({ lat: 50, lon: 0 }).y < 0);
  assert.ok(Number.isFinite(project({ lat: 90, lon: 0 }).y));
  const places = overview.clusters.flatMap(({ place }) => (place ? [place] : []));
  const view = fitPlaces(places, 600, 300);
  for (const place of places) {
    const { x, y } = toPixels(place, view);
    assert.ok(x > 60 && x < 540 && y > 20 && y < 280, JSON.stringify({ x, y }));
  }
  const near = fitPlaces([{ lat: 50, lon: 8 }], 700, 400);
  assert.equal(near.scale, 10, 'not nearer than the outline is good for');
});

test('a way through the mesh ends as its worst branch did', () => {
  assert.equal(traceOutcome(traceAt(0, '/shop', 'fine').hops).tone, 'good');
  assert.equal(traceOutcome(traceAt(0, '/shop', 'order-4711').hops).tone, 'bad');
  assert.equal(traceOutcome(traceAt(0, '/shop', 'nowhere').hops).tone, 'quiet');
  assert.equal(traceOutcome(traceAt(0, '/shop', 'fine').hops.slice(0, 4)).tone, 'slow', 'it is on its way');
});

test('a payload is shown as text as far as it is text', () => {
  const event = { specversion: '1.0', id: '1', count: 3 };
  assert.deepEqual(payloadOf({ ...event, data: { a: 1 } }), {
    attributes: [
      ['specversion', '1.0'],
      ['id', '1'],
      ['count', '3'],
    ],
    payload: '{\n  "a": 1\n}',
    note: '',
  });
  assert.equal(payloadOf({ data: 'text' }).payload, 'text');
  assert.equal(payloadOf({ data_base64: btoa('plain') }).payload, 'plain');
  assert.deepEqual(payloadOf({ data_base64: btoa('\xff\x00') }), {
    attributes: [],
    payload: 'ff 00',
    note: 'Binary, 2 bytes:',
  });
  assert.equal(payloadOf(event).note, 'It has none.');
  assert.match(payloadOf({ data: 'x'.repeat(200_000) }).note, /first 100,000 of 200,000/);
});
