// "Why was this event not delivered?", asked of real meshers in two clusters: for each way that an event can end, and after restarts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TraceView } from '../../node/core/overview.ts';
import { Federation, Program, type RunningMesher } from '../support/federation.ts';
import { until } from '../support/until.ts';

async function publish(
  mesher: RunningMesher,
  id: string,
  topic: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<Response> {
  return fetch(`${mesher.http}/v1/events?topic=${topic}`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify({ specversion: '1.0', id, source: '/shop', type: 't', data: { a: 1 }, ...more }),
  });
}

interface Pulled {
  readonly token: string;
  readonly event: { readonly id: string };
}

async function pull(mesher: RunningMesher, name: string): Promise<readonly Pulled[]> {
  const response = await fetch(`${mesher.http}/v1/subscriptions/${name}/pull`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ max: 10, waitMs: 20_000 }),
  });
  const { events } = (await response.json()) as { events: readonly Pulled[] };
  return events;
}

async function settle(mesher: RunningMesher, name: string, body: object): Promise<void> {
  const response = await fetch(`${mesher.http}/v1/subscriptions/${name}/settle`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  assert.equal(response.status, 200, await response.text());
}

async function trace(mesher: RunningMesher, id: string): Promise<TraceView> {
  return mesher.get<TraceView>(`/v1/trace?source=/shop&id=${id}`);
}

/** Until the verdict says so. */
async function says(mesher: RunningMesher, id: string, verdict: RegExp): Promise<TraceView> {
  let found: TraceView | undefined;
  await until(
    () => `the verdict on ${id} is ${String(verdict)}: ${JSON.stringify(found, undefined, 1)}`,
    async () => verdict.test((found = await trace(mesher, id)).verdict),
  );
  assert.ok(found);
  return found;
}

function kinds({ hops }: TraceView): string[] {
  return hops.map(({ cluster, what }) => `${cluster} ${what}`);
}

test('each way that an event can end is told, from whichever mesher is asked, and refusals and dead letters after a restart', async (t) => {
  const federation = await Federation.start(t, { clusters: { a: 1, b: 1 } });
  const [a, b] = [federation.mesher('a'), federation.mesher('b')];
  await b.putSubscription('billing', { topic: 'orders/#' });
  await federation.whenRouted(a, 'orders/eu', ['b']);

  await t.test('delivered', async () => {
    assert.equal((await publish(a, 'delivered', 'orders/eu')).status, 202);
    const [first] = await pull(b, 'billing');
    assert.ok(first);
    await says(a, 'delivered', /^waits at .* in b for subscription billing, which was handed it/);
    await settle(b, 'billing', { ack: [first.token] });
    const told = await says(
      a,
      'delivered',
      /^delivered to billing on 12D3….{6} in b \d.* after it was published$/,
    );
    // the ack goes back while it is delivered, and what comes in one millisecond has no order
    assert.deepEqual(
      kinds(told).filter((kind) => kind !== 'a forward-acked'),
      ['a published', 'a committed', 'a forwarded', 'b landed', 'b committed', 'b delivered', 'b acked'],
    );
    assert.ok(kinds(told).includes('a forward-acked'));
    assert.deepEqual(kinds(await trace(b, 'delivered')), kinds(told), 'whoever is asked');
    assert.deepEqual(told.silent, []);
  });

  await t.test('wanted by nobody', async () => {
    await publish(a, 'unwanted', 'nowhere/x');
    const told = await says(b, 'unwanted', /^nobody wanted nowhere\/x when it came to 12D3….{6} in a$/);
    assert.deepEqual(kinds(told), ['a not-wanted']);
  });

  await t.test('rejected', async () => {
    await publish(a, 'rejected', 'orders/eu');
    const [first] = await pull(b, 'billing');
    assert.ok(first);
    await settle(b, 'billing', { reject: [{ token: first.token, reason: 'no such customer' }] });
    await says(
      a,
      'rejected',
      /^dead-lettered by billing on .* in b after 1 attempt: rejected: no such customer/,
    );
  });

  await t.test('refused', async () => {
    const response = await publish(a, 'refused', 'orders/eu', { data: 'x'.repeat(2 * 1024 * 1024) });
    assert.equal(response.status, 413);
    await says(b, 'refused', /^refused by 12D3….{6} in a: event-too-large$/);
  });

  await t.test('never published', async () => {
    const told = await trace(a, 'never');
    assert.match(told.verdict, /^no mesher remembers it: it was published before \d{4}-.*Z, or never/);
  });

  await t.test('asked with the command', async () => {
    const program = new Program(['trace', '/shop', 'rejected', '--url', a.http]);
    program.start();
    await program.ended();
    assert.match(program.output, /dead letter of billing {2}rejected: no such customer/);
  });

  await t.test('published with the command, followed and as a dry run', async () => {
    const flags = ['--type', 'com.example.order', '--topic', 'orders/eu', '--url', a.http];
    const dry = new Program(['publish', ...flags, '--id', 'dry', '--dry-run']);
    dry.start();
    await dry.ended();
    assert.match(dry.output, /1 event on orders\/eu would go:\n[^]*b +cluster/);
    const live = new Program(['publish', ...flags, '--id', 'live', '--source', '/shop', '--trace']);
    live.start();
    const [first] = await pull(b, 'billing');
    assert.equal(first?.event.id, 'live', 'nothing was sent before');
    await settle(b, 'billing', { ack: [first.token] });
    await live.ended();
    assert.match(live.output, /published[^]*settled by billing[^]*\ndelivered to billing on/);
  });

  await t.test('after a restart', async () => {
    await Promise.all([a.kill(), b.kill()]);
    a.start();
    b.start();
    await Promise.all([a.whenReady(), b.whenReady()]);
    await says(
      a,
      'rejected',
      /^dead-lettered by billing on .* in b after 1 attempt: rejected: no such customer/,
    );
    await says(b, 'refused', /^refused by 12D3….{6} in a: event-too-large$/);
  });
});

test('what waits for a link that is down is told with the reason, and expires with one', async (t) => {
  const federation = await Federation.start(t, { clusters: { a: 1, b: 1 } });
  const [a, b] = [federation.mesher('a'), federation.mesher('b')];
  await b.putSubscription('billing', { topic: 'orders/#' });
  await federation.whenRouted(a, 'orders/eu', ['b']);
  await b.kill();
  await until('a has noticed', async () => (await a.links()).links.every(({ state }) => state === 'down'));
  await publish(a, 'waits', 'orders/eu');
  const expirytime = new Date(Date.now() + 1_000).toISOString();
  await publish(a, 'expires', 'orders/eu', { expirytime });
  const told = await says(
    a,
    'waits',
    /^waits at 12D3….{6} in a for cluster b: the link to 12D3\w+ is down since \d{4}-.*Z: \S/,
  );
  assert.match(told.silent[0]?.why ?? '', /^the link to it is down since/);
  assert.equal(told.waits.length, 1);
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, Date.parse(expirytime) - Date.now())));

  // also the mesher that waits may be another process by then
  await a.kill();
  a.start();
  b.start();
  await Promise.all([a.whenReady(), b.whenReady()]);
  await says(b, 'expires', /^dropped at .*: expired$/);
  const [first] = await pull(b, 'billing');
  assert.equal(first?.event.id, 'waits');
  await settle(b, 'billing', { ack: [first.token] });
  await says(a, 'waits', /^delivered to billing/);
});
