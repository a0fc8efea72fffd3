// Real meshers that show each other: figures, links, subscriptions and topics of all, from any of them; and members that lie.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { DeadLettersView, HistoryView, Overview } from '../../node/core/overview.ts';
import { OverviewSchema } from '../../node/http/overview-schemas.ts';
import { Compile } from 'typebox/compile';
import { HostileMember, register } from '../support/hostile.ts';
import { getJson, sendJson, startInProcess, startRegistry } from '../support/in-process.ts';
import { until } from '../support/until.ts';
import type { FederationView } from '../../node/core/views.ts';

const overviewOf = (http: string): Promise<Overview> => getJson<Overview>(`${http}/v1/overview`);

async function publish(http: string, topic: string, count: number): Promise<void> {
  const events = Array.from({ length: count }, (_, id) => ({
    specversion: '1.0',
    id: `${topic}-${id}`,
    source: '/test',
    type: 'test',
  }));
  const response = await fetch(`${http}/v1/events?topic=${encodeURIComponent(topic)}`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents-batch+json' },
    body: JSON.stringify(events),
  });
  assert.ok(response.ok, await response.text());
}

/** Two meshers that know each other, `a` in a region of AWS. */
async function two(t: TestContext): Promise<{ a: string; b: string; registry: string }> {
  const registry = await startRegistry(t);
  const [a, b] = await Promise.all([
    startInProcess(t, registry, 'aws-eu-west-1'),
    startInProcess(t, registry, 'office', { label: 'lat=52.5,lon=13.4' }),
  ]);
  await until('both tell of themselves', async () =>
    (await overviewOf(a.http)).meshers.every(({ silent, figures }) => silent === '' && figures?.ready.ready),
  );
  return { a: a.http, b: b.http, registry };
}

test('any mesher shows what all of them say of themselves, as the schema describes it', async (t) => {
  const { a, b } = await two(t);
  await sendJson('PUT', `${b}/v1/subscriptions/billing`, { topic: 'orders/#' });
  await until('a knows the route', async () => {
    const { destinations } = await getJson<{ destinations: { because: unknown[] }[] }>(
      `${a}/v1/routes?topic=orders/eu`,
    );
    return destinations.some(({ because }) => because.length > 0);
  });
  await publish(a, 'orders/eu', 20);
  const seen = await until('a shows what waits at b', async () => {
    const overview = await overviewOf(a);
    return overview.subscriptions.some(({ name, depth }) => name === 'billing' && depth === 20) &&
      overview.topics.length > 0
      ? overview
      : undefined;
  });
  assert.ok(Compile(OverviewSchema).Check(seen), JSON.stringify(seen));
  const [own, other] = seen.meshers;
  assert.equal(own?.node, seen.self);
  assert.deepEqual(
    seen.clusters.map(({ name, place }) => [name, place?.from]),
    [
      ['aws-eu-west-1', 'name'],
      ['office', 'labels'],
    ],
  );
  assert.equal(seen.links.length, 2);
  for (const link of seen.links) assert.deepEqual([link.state, link.why], ['up', '']);
  assert.deepEqual(
    seen.topics.map(({ topic, published, publishers, listeners }) => ({
      topic,
      published,
      publishers,
      listeners,
    })),
    [
      {
        topic: 'orders/eu',
        published: 20,
        publishers: [{ mesher: own.node, cluster: 'aws-eu-west-1' }],
        listeners: [{ mesher: other?.node, cluster: 'office', subscription: 'billing' }],
      },
    ],
  );
  assert.equal(other?.figures?.queued, 20);
  assert.deepEqual(seen.cut, {});
  assert.deepEqual((await overviewOf(b)).topics, seen.topics);

  const history = (of: string, name: string): Promise<HistoryView> =>
    getJson(`${a}/v1/overview/history?of=${of}&name=${encodeURIComponent(name)}`);
  await until('a step of ten seconds has ended', async () => {
    const { series } = await history('subscription', `${other.node}/billing`);
    return series.find(({ name }) => name === 'depth')?.values.at(-1) === 20;
  });
  for (const [of, name] of [
    ['cluster', 'office'],
    ['mesher', other.node],
    ['topic', 'orders/eu'],
  ] as const) {
    const { series, stepMs } = await history(of, name);
    assert.equal(stepMs, 10_000);
    for (const { values } of series) assert.equal(values.length, 360);
  }
  await assert.rejects(history('topic', 'nobody/publishes/here'), /404/);
  await assert.rejects(history('mesher', 'nobody'), /404/);
});

test('watchers get the same again and again, and the mesher stops without waiting for them', async (t) => {
  const registry = await startRegistry(t);
  const mesher = await startInProcess(t, registry, 'a');
  const response = await fetch(`${mesher.http}/v1/overview/stream`);
  assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
  let text = '';
  const ended = (async () => {
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) text += chunk;
  })();
  await until('three overviews came', () => text.split('event: overview\n').length > 3);
  const [, first = ''] = /data: (.*)\n/.exec(text) ?? [];
  assert.equal((JSON.parse(first) as Overview).meshers.length, 1);
  await mesher.stop();
  await ended;
});

test('members that answer with garbage, too much, or lies are shown as what they are, and the others as well', async (t) => {
  const { a, registry } = await two(t);
  const answers: [say: () => Uint8Array, shown: RegExp][] = [
    [() => Buffer.from('{"told":'), /its answer is none/],
    [
      () => Buffer.from('{"told":{"figures":{"rates":{"published":-1}}}}'),
      /not what this mesher understands/,
    ],
    [() => Buffer.alloc(4 * 1024 * 1024, '['), /more than the \d+ looked at/],
    [() => Buffer.from(JSON.stringify({ refused: 'x'.repeat(1_000_000) })), /it refused: x{500}$/],
  ];
  for (const [say, shown] of answers) {
    const evil = await joinHostile(t, a, registry);
    evil.tell = say;
    await until(`shown, and with an alarm: ${shown}`, async () => {
      const { meshers, alarms } = await overviewOf(a);
      const silent = meshers.find(({ node }) => node === evil.keys.node)?.silent ?? '';
      const others = meshers.filter(({ figures }) => figures);
      const alarm = alarms.find(({ about }) => about.mesher === evil.keys.node);
      return shown.test(silent) && others.length === 2 && alarm?.code === 'mesher-silent';
    });
  }
});

/** A member that may tell others what it likes, linked with the mesher at this address. */
async function joinHostile(t: TestContext, http: string, registry: string): Promise<HostileMember> {
  const evil = await HostileMember.start(t);
  await register(t, registry, evil.keys, evil.addresses);
  const { self, members } = await getJson<FederationView>(`${http}/v1/federation`);
  evil.dial({
    node: self.node,
    addresses: members.find(({ node }) => node === self.node)?.addresses ?? [],
  });
  await evil.whenLinked();
  return evil;
}

interface SettledAnswer {
  readonly done: number;
  readonly failed: readonly { readonly mesher: string; readonly why: string }[];
}

const settle = (http: string, how: 'redrive' | 'drop', body: unknown): Promise<SettledAnswer> =>
  sendJson('POST', `${http}/v1/dead-letters/${how}`, body);

/** Rejects all that waits for the subscription; returns how many those were. */
async function rejectAll(http: string, name: string): Promise<number> {
  const { events } = await sendJson<{ events: { token: string }[] }>(
    'POST',
    `${http}/v1/subscriptions/${name}/pull`,
    { max: 100, waitMs: 5_000 },
  );
  await sendJson('POST', `${http}/v1/subscriptions/${name}/settle`, {
    reject: events.map(({ token }) => ({ token, reason: 'not mine' })),
  });
  return events.length;
}

test('dead letters of all are listed from anywhere, read, redriven and dropped by who may', async (t) => {
  const registry = await startRegistry(t);
  const [open, closed] = await Promise.all([
    startInProcess(t, registry, 'open', { 'dashboard-operators': 'federation' }),
    startInProcess(t, registry, 'closed'),
  ]);
  await until('both tell of themselves', async () =>
    (await overviewOf(open.http)).meshers.every(({ silent }) => silent === ''),
  );
  const list = (query = ''): Promise<DeadLettersView> =>
    getJson<DeadLettersView>(`${closed.http}/v1/dead-letters?${query}`);
  assert.deepEqual(await list(), { letters: [], total: 0, next: '', silent: [] });
  for (const [mesher, topic] of [
    [open, 'o/1'],
    [closed, 'c/1'],
  ] as const) {
    await sendJson('PUT', `${mesher.http}/v1/subscriptions/billing`, { topic: `${topic.slice(0, 1)}/#` });
    await publish(mesher.http, topic, 5);
    assert.equal(await rejectAll(mesher.http, 'billing'), 5);
  }
  const all = await list();
  assert.deepEqual([all.letters.length, all.total, all.next, all.silent], [10, 10, '', []]);
  const [first] = all.letters;
  assert.deepEqual(
    [first?.subscription, first?.reason, first?.source, first?.type],
    ['billing', 'rejected: not mine', '/test', 'test'],
  );

  // page by page it is the same
  const paged: unknown[] = [];
  for (let next = ''; ;) {
    const page = await list(`limit=3&after=${encodeURIComponent(next)}`);
    assert.ok(page.letters.length <= 3);
    paged.push(...page.letters);
    next = page.next;
    if (next === '') break;
  }
  assert.deepEqual(paged, all.letters);
  assert.equal((await list('cluster=open')).letters.length, 5);
  assert.equal((await list('topic=c/%2B')).letters.length, 5);
  assert.equal((await list('source=/nobody&subscription=billing')).letters.length, 0);
  await assert.rejects(list('topic=a//b'), /invalid-filter/);
  await assert.rejects(list('after=nonsense'), /invalid-request/);

  const theirs = all.letters.filter(({ cluster }) => cluster === 'open').map(({ at }) => at);
  const own = all.letters.filter(({ cluster }) => cluster === 'closed').map(({ at }) => at);
  const [one] = theirs;
  const read = await getJson<{ letter: { at: unknown }; event: { source: string } }>(
    `${closed.http}/v1/dead-letters/${one?.mesher}/${one?.token}`,
  );
  assert.deepEqual([read.letter.at, read.event.source], [one, '/test']);
  await assert.rejects(getJson(`${closed.http}/v1/dead-letters/${one?.mesher}/1.1.zz`), /404/);

  // who is of another cluster is refused, with the reason, unless the whole federation may
  const refused = await settle(open.http, 'drop', { letters: own });
  assert.equal(refused.done, 0);
  assert.match(refused.failed[0]?.why ?? '', /it refused: only meshers of its cluster closed may/);
  assert.deepEqual(await settle(closed.http, 'redrive', { letters: theirs.slice(0, 2) }), {
    done: 2,
    failed: [],
  });
  assert.equal((await list()).total, 8);
  assert.equal(await rejectAll(open.http, 'billing'), 2, 'they are back at their subscription');
  const again = await settle(closed.http, 'redrive', { letters: theirs.slice(0, 2) });
  assert.deepEqual([again.done, again.failed[0]?.why], [0, '2 letters: it is no dead letter any more']);
  assert.deepEqual(await settle(closed.http, 'drop', { filter: { cluster: 'open' } }), {
    done: 5,
    failed: [],
  });
  const rest = await settle(closed.http, 'redrive', { filter: { topic: 'c/#' } });
  assert.deepEqual([rest.done, (await list()).total], [5, 0]);
  await assert.rejects(settle(closed.http, 'drop', {}), /invalid-request/);

  // a member that means harm can read them, and no more
  assert.equal(await rejectAll(closed.http, 'billing'), 5);
  const evil = await joinHostile(t, closed.http, registry);
  const asked = { how: 'drop', filter: { after: '' } };
  const said = Buffer.from(await evil.ask({ kind: 'settle-dead-letters', asked })).toString();
  assert.match(said, /refused.*only meshers of its cluster closed/);
  assert.equal((await list()).total, 5);
});
