import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CausewayError } from '../../../sdk/typescript/errors.ts';
import type { Delivery, Subscription } from '../../../sdk/typescript/types.ts';
import { askByHttp } from '../../../sdk/typescript/subscription-api.ts';
import { connected, watch } from './connected.ts';

/** Takes deliveries as they come, without settling them. */
function collect(subscription: Subscription): { readonly taken: Delivery[]; readonly end: Promise<void> } {
  const taken: Delivery[] = [];
  const end = (async () => {
    for await (const delivery of subscription) taken.push(delivery);
  })();
  end.catch(() => undefined);
  return { taken, end };
}

const idsOf = (deliveries: readonly Delivery[]): string[] => deliveries.map(({ event }) => event.id);

function isError(code: string): (error: unknown) => boolean {
  return (error) => error instanceof CausewayError && error.code === code;
}

test('an event comes with all that is known of it', async () => {
  const { mesh, mesher, timers } = await connected();
  const { taken } = collect(mesh.subscribe({ name: 'billing' }));
  assert.deepEqual(mesher.last.of('open'), [
    { kind: 'open', stream: 1, source: 'durable', credit: 4096, subject: 'billing', group: '' },
  ]);
  mesher.last.deliver(1, ['1'], 3);
  await timers.turn();
  const [delivery] = taken;
  assert.ok(delivery);
  assert.deepEqual(delivery.event, {
    specversion: '1.0',
    id: '1',
    source: '/s',
    type: 't',
    data: { id: '1' },
  });
  assert.equal(delivery.topic, 'a/b');
  assert.equal(delivery.attempt, 3);
  assert.equal(delivery.origin.sequence, 1);
  assert.deepEqual(delivery.origin.clusters, ['eu']);
  assert.equal(delivery.deadLetter, undefined);
});

test('what is settled in one turn goes in one message, in ranges; the answer is waited for by settled', async () => {
  const { mesh, mesher, timers } = await connected();
  const subscription = mesh.subscribe({ name: 'billing' });
  const { taken } = collect(subscription);
  mesher.last.deliver(1, ['1', '2', '3', '4', '5', '6', '7']);
  await timers.turn();
  const [one, two, three, four, five, six] = taken;
  two?.ack();
  one?.ack();
  two?.ack();
  four?.ack();
  three?.retry({ delayMs: 500 });
  five?.retry();
  six?.reject('broken');
  const settled = watch(subscription.settled());
  await timers.turn();
  assert.deepEqual(mesher.last.of('settle'), [
    {
      kind: 'settle',
      stream: 1,
      request: 2,
      settlements: [
        {
          kind: 'ack',
          ranges: [
            { first: 1, count: 2 },
            { first: 4, count: 1 },
          ],
        },
        { kind: 'retry', delayMs: 500, ranges: [{ first: 3, count: 1 }] },
        { kind: 'retry', delayMs: undefined, ranges: [{ first: 5, count: 1 }] },
        { kind: 'reject', reason: 'broken', ranges: [{ first: 6, count: 1 }] },
      ],
    },
  ]);
  assert.equal(settled.state, 'pending');
  mesher.last.settled(2);
  await timers.turn();
  assert.equal(settled.state, 'resolved');
});

test('no more is asked for than the credit: what is held counts until it is settled', async () => {
  const { mesh, mesher, timers } = await connected();
  const { taken } = collect(mesh.subscribe({ name: 'billing', credit: 4 }));
  mesher.last.deliver(1, ['1', '2', '3', '4']);
  await timers.turn();
  assert.deepEqual(mesher.last.of('credit'), []);
  taken[0]?.ack();
  taken[1]?.reject();
  await timers.turn();
  assert.deepEqual(mesher.last.of('credit'), [{ kind: 'credit', stream: 1, count: 2 }]);
});

test('a consumer that holds most of its credit for long gets the rest of it again, however little that is', async () => {
  const { mesh, mesher, timers } = await connected();
  const { taken } = collect(mesh.subscribe({ name: 'billing', credit: 100 }));
  mesher.last.deliver(
    1,
    Array.from({ length: 100 }, (_, n) => String(n)),
  );
  await timers.turn();
  taken[0]?.ack();
  await timers.turn();
  assert.deepEqual(mesher.last.of('credit'), [{ kind: 'credit', stream: 1, count: 1 }]);
  taken[1]?.ack();
  await timers.turn();
  assert.equal(mesher.last.of('credit').length, 1, 'something is to come yet: no frame for each');
});

test('a mesher that does not answer settlements is not asked for ever more', async () => {
  const { mesh, mesher, timers } = await connected();
  const { taken } = collect(mesh.subscribe({ name: 'billing', credit: 2 }));
  let sent = 0;
  const granted = (): number => 2 + mesher.last.of('credit').reduce((sum, { count }) => sum + count, 0);
  for (let round = 0; round < 10; round++) {
    if (granted() > sent)
      mesher.last.deliver(
        1,
        Array.from({ length: granted() - sent }, () => String(++sent)),
      );
    await timers.turn();
    for (const delivery of taken.splice(0)) delivery.ack();
    await timers.turn();
  }
  assert.equal(granted(), 8);
  for (const { request } of mesher.last.of('settle')) mesher.last.settled(request);
  assert.equal(granted(), 10);
});

test('an ephemeral subscription names its filter, settles nothing, and asks for more as events are taken', async () => {
  const { mesh, mesher, timers } = await connected();
  const { taken } = collect(mesh.subscribe({ topic: 'a/#', group: 'g', credit: 2 }));
  assert.deepEqual(mesher.last.of('open'), [
    { kind: 'open', stream: 1, source: 'ephemeral', credit: 2, subject: 'a/#', group: 'g' },
  ]);
  mesher.last.deliver(1, ['1', '2']);
  await timers.turn();
  taken[0]?.ack();
  assert.throws(() => taken[0]?.retry(), isError('invalid-request'));
  assert.throws(() => taken[0]?.reject(), isError('invalid-request'));
  await timers.turn();
  assert.deepEqual(mesher.last.of('settle'), []);
  assert.deepEqual(mesher.last.of('credit'), [{ kind: 'credit', stream: 1, count: 2 }]);
});

test('says when the mesher has it open', async () => {
  const { mesh, mesher, timers } = await connected();
  const subscription = mesh.subscribe({ topic: 'a/#' });
  const opened = watch(subscription.opened());
  await timers.turn();
  assert.equal(opened.state, 'pending');
  mesher.last.accept(1);
  await timers.turn();
  assert.equal(opened.state, 'resolved');
  const refused = mesh.subscribe({ topic: 'a//b' });
  mesher.last.closed(2, 'invalid-filter');
  await assert.rejects(refused.opened(), isError('invalid-filter'));
});

test('leaving the loop settles, closes, gives back the rest, and waits for the answer', async () => {
  const { mesh, mesher, timers } = await connected();
  const subscription = mesh.subscribe({ name: 'billing' });
  let kept: Delivery | undefined;
  const loop = watch(
    (async () => {
      for await (const delivery of subscription) {
        if (kept !== undefined) {
          delivery.ack();
          break;
        }
        kept = delivery;
      }
    })(),
  );
  mesher.last.deliver(1, ['1', '2', '3']);
  await timers.turn();
  assert.deepEqual(mesher.last.settlements('ack'), [2]);
  assert.deepEqual(
    mesher.last.frames.slice(-2).map(({ kind }) => kind),
    ['settle', 'close'],
  );
  assert.equal(loop.state, 'pending');
  mesher.last.settled(2);
  await timers.turn();
  assert.equal(loop.state, 'resolved');
  kept?.ack();
  mesher.last.deliver(1, ['4']); // was on its way
  await timers.turn();
  assert.deepEqual(mesher.last.settlements('ack'), [2]);
});

test('batches come as they were sent, and what was settled one by one does not come again in them', async () => {
  const { mesh, mesher, timers } = await connected();
  const batches: string[][] = [];
  const reading = (async () => {
    for await (const batch of mesh.subscribe({ name: 'billing' }).batches()) {
      batches.push(idsOf(batch));
      for (const delivery of batch) delivery.ack();
    }
  })();
  mesher.last.deliver(1, ['1', '2']);
  mesher.last.deliver(1, ['3']);
  await timers.turn();
  assert.deepEqual(batches, [['1', '2'], ['3']]);
  assert.deepEqual(mesher.last.settlements('ack'), [1, 2, 3]);
  mesher.last.settled(2);
  const closing = mesh.close();
  await timers.pass(20_000);
  await closing;
  await reading;
});

test('after a lost connection: what was done with is so again unseen, what is held stays the same delivery, the rest comes', async () => {
  const { mesh, mesher, timers } = await connected();
  const subscription = mesh.subscribe({ name: 'billing', credit: 8 });
  const { taken } = collect(subscription);
  mesher.last.deliver(1, ['acked', 'answered', 'rejected', 'retried', 'held', 'late']);
  await timers.turn();
  const [acked, answered, rejected, retried, held, late] = taken;
  answered?.ack();
  await timers.turn();
  mesher.last.settled(2);
  acked?.ack();
  rejected?.reject('broken');
  retried?.retry({ delayMs: 60_000 });
  await timers.turn();
  const settled = watch(subscription.settled());
  mesher.last.drop();
  await timers.turn();
  assert.equal(settled.state, 'resolved');
  late?.ack(); // while there is no connection
  await timers.pass(1_000);

  assert.equal(mesher.connections.length, 2);
  // one is held: it may come again, with all that may come besides
  assert.deepEqual(
    mesher.last.of('open').map(({ credit }) => credit),
    [7],
  );
  mesher.last.deliver(1, ['acked', 'rejected', 'retried', 'held', 'late', 'new'], 2);
  await timers.turn();
  assert.deepEqual(idsOf(taken.slice(6)), ['retried', 'new']);
  assert.deepEqual(mesher.last.settlements('ack'), [1, 5]);
  assert.deepEqual(mesher.last.settlements('reject'), [2]);
  assert.equal(held?.attempt, 2);
  held.ack();
  await timers.turn();
  assert.deepEqual(mesher.last.settlements('ack'), [1, 5, 4]);
  // known once: a third time it is another's
  for (const { request } of mesher.last.of('settle')) mesher.last.settled(request);
  mesher.last.deliver(1, ['acked'], 3);
  await timers.turn();
  assert.deepEqual(idsOf(taken.slice(8)), ['acked']);
});

test('an event that its publisher sent twice is two deliveries, and both are known again after a lost connection', async () => {
  const { mesh, mesher, timers } = await connected();
  const { taken } = collect(mesh.subscribe({ name: 'billing' }));
  mesher.last.deliver(1, ['1', '2', '1', '2', '1']);
  await timers.turn();
  taken[0]?.ack(); // not answered before the connection is lost
  await timers.turn();
  mesher.last.drop();
  await timers.turn();
  taken[3]?.ack(); // while there is none
  await timers.pass(1_000);
  mesher.last.deliver(1, ['1', '2', '1', '2', '1'], 2);
  await timers.turn();
  assert.deepEqual(idsOf(taken), ['1', '2', '1', '2', '1'], 'nothing comes to the consumer again');
  for (const delivery of taken) delivery.ack();
  await timers.turn();
  const settled = mesher.last
    .of('settle')
    .flatMap(({ settlements }) => settlements.flatMap(({ ranges }) => ranges));
  const numbers = settled.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i));
  assert.deepEqual(
    numbers.sort((a, b) => a - b),
    [1, 2, 3, 4, 5],
    'each is settled once',
  );
});

test('a consumer that holds all its credit while the connection is lost gets more once it settles', async () => {
  const { mesh, mesher, timers } = await connected();
  const { taken } = collect(mesh.subscribe({ name: 'billing', credit: 4 }));
  mesher.last.deliver(1, ['1', '2', '3', '4']);
  await timers.turn();
  mesher.last.drop();
  await timers.pass(1_000);
  assert.deepEqual(
    mesher.last.of('open').map(({ credit }) => credit),
    [0],
  );
  taken[0]?.ack();
  taken[1]?.reject('broken');
  taken[2]?.ack();
  await timers.turn();
  assert.deepEqual(mesher.last.of('credit'), [{ kind: 'credit', stream: 1, count: 3 }]);
  mesher.last.deliver(1, ['1', '2', '4'], 2);
  await timers.turn();
  assert.deepEqual(mesher.last.settlements('ack'), [1]);
  assert.deepEqual(mesher.last.settlements('reject'), [2]);
  // all three were known: there is room for as many others
  assert.deepEqual(
    mesher.last.of('credit').map(({ count }) => count),
    [3, 3],
  );
  mesher.last.deliver(1, ['3', '5', '6'], 2);
  await timers.turn();
  assert.deepEqual(idsOf(taken), ['1', '2', '3', '4', '5', '6']);
});

test('what waited for the consumer when the connection was lost is dropped, since it comes again', async () => {
  const { mesh, mesher, timers } = await connected();
  const subscription = mesh.subscribe({ name: 'billing' });
  const iterator = subscription[Symbol.asyncIterator]();
  mesher.last.deliver(1, ['1', '2', '3']);
  await iterator.next();
  mesher.last.drop();
  await timers.pass(1_000);
  mesher.last.deliver(1, ['2', '3', '1'], 2);
  const taken: unknown[] = [];
  for (let i = 0; i < 2; i++) {
    const { value } = (await iterator.next()) as { value: Delivery };
    taken.push([value.event.id, value.attempt]);
  }
  assert.deepEqual(taken, [
    ['2', 2],
    ['3', 2],
  ]);
});

test('is opened again where the mesher has replaced it or cannot serve it now, and ends where that is for good', async () => {
  const { mesh, mesher, timers } = await connected();
  const { taken, end } = collect(mesh.subscribe({ name: 'billing' }));
  mesher.last.deliver(1, ['1', '2']);
  await timers.turn();
  taken[0]?.ack();
  mesher.last.closed(1, 'not-ready', 'replaced');
  await timers.pass(1_000);
  assert.deepEqual(
    mesher.last.of('open').map(({ stream }) => stream),
    [1, 2],
  );
  mesher.last.deliver(2, ['1', '2', '3'], 2);
  await timers.turn();
  assert.deepEqual(idsOf(taken), ['1', '2', '3']);
  mesher.last.closed(2, 'overloaded');
  await timers.pass(1_000);
  assert.deepEqual(
    mesher.last.of('open').map(({ stream }) => stream),
    [1, 2, 3],
  );
  mesher.last.closed(3, 'subscription-not-found', 'deleted');
  await assert.rejects(end, isError('subscription-not-found'));
});

test('settlements that the mesher cannot write now are sent again', async () => {
  const { mesh, mesher, timers } = await connected();
  const { taken } = collect(mesh.subscribe({ name: 'billing' }));
  mesher.last.deliver(1, ['1', '2', '3']);
  await timers.turn();
  taken[0]?.ack();
  taken[1]?.reject('broken');
  await timers.turn();
  mesher.last.refuse(2, 'disk-full');
  taken[2]?.ack();
  await timers.pass(1_000);
  assert.deepEqual(mesher.last.settlements('ack'), [1, 3, 1]);
  assert.deepEqual(mesher.last.settlements('reject'), [2, 2]);
});

test('settlements that wait to be sent again are given up when the subscription is closed', async () => {
  const { mesh, mesher, timers } = await connected();
  const subscription = mesh.subscribe({ name: 'billing' });
  const { taken } = collect(subscription);
  mesher.last.deliver(1, ['1']);
  await timers.turn();
  taken[0]?.ack();
  await timers.turn();
  mesher.last.refuse(2, 'disk-full');
  const settled = watch(subscription.settled());
  const closed = watch(subscription.close());
  await timers.turn();
  assert.deepEqual([settled.state, closed.state], ['resolved', 'resolved']);
  await timers.pass(10_000);
  assert.deepEqual(mesher.last.settlements('ack'), [1], 'no timer is left that sends it');
});

test('who waits for an answer that does not come is told when the subscription has waited long enough', async () => {
  const { mesh, mesher, timers } = await connected({ closeTimeoutMs: 1_000 });
  const subscription = mesh.subscribe({ name: 'billing' });
  const { taken } = collect(subscription);
  mesher.last.deliver(1, ['1']);
  await timers.turn();
  taken[0]?.ack();
  const settled = watch(subscription.settled());
  const closed = watch(subscription.close());
  await timers.pass(500);
  assert.deepEqual([settled.state, closed.state], ['pending', 'pending']);
  await timers.pass(1_000);
  assert.deepEqual([settled.state, closed.state], ['resolved', 'resolved']);
});

test('a mesher that does not keep to the protocol is left, and connected with again', async () => {
  const { mesh, mesher, timers } = await connected();
  const downs: string[] = [];
  mesh.on('down', ({ code, message }) => downs.push(`${code}: ${message}`));
  collect(mesh.subscribe({ name: 'billing', credit: 1 }));
  mesher.last.deliver(1, ['1', '2']);
  await timers.turn();
  assert.equal(mesher.last.closeCode, 1002);
  assert.match(
    downs[0] ?? '',
    /^internal: http:\/\/fake:7400 does not keep to the streaming protocol: 2 events/,
  );
  await timers.pass(1_000);
  assert.equal(mesher.connections.length, 2);
});

test('options that contradict each other are refused', async () => {
  const { mesh } = await connected();
  for (const options of [
    {},
    { name: 'x', group: 'g' },
    { name: 'x', delivery: { retries: 1 } },
    { topic: 'a', delivery: { retries: 1 } },
    { topic: 'a', credit: 0 },
    { topic: 'a', credit: 1e6 },
    { name: 'a\ud800', topic: 'x/#' },
    { name: 'x'.repeat(65_536) },
    { topic: 'a/\udfff' },
    { topic: 'é'.repeat(32_768) },
    { topic: 'a', group: '\ud800' },
  ]) {
    assert.throws(() => mesh.subscribe(options), isError('invalid-request'), JSON.stringify(options));
  }
});

test('a delay that no mesher takes is refused where it is asked for, and costs nothing else', async () => {
  const { mesh, mesher, timers } = await connected();
  const { taken } = collect(mesh.subscribe({ name: 'billing' }));
  mesher.last.deliver(1, ['1']);
  await timers.turn();
  for (const delayMs of [-1, 0.5, 3_600_001, Number.NaN])
    assert.throws(() => taken[0]?.retry({ delayMs }), isError('invalid-request'));
  taken[0]?.ack();
  await timers.turn();
  assert.deepEqual(mesher.last.settlements('ack'), [1]);
});

test('a subscription that cannot be asked for ends with `internal`, and the client goes on', async (t) => {
  const { mesh, mesher, timers } = await connected({}, {}, askByHttp);
  // what JSON cannot hold is no setting: its types say so, and not all callers have types
  const delivery = { retries: 1n } as unknown as { retries: number };
  t.mock.method(globalThis, 'fetch', () =>
    Promise.resolve(new Response('{"code":"subscription-not-found","detail":"none"}', { status: 404 })),
  );
  const { end } = collect(mesh.subscribe({ name: 'billing', topic: 'a/#', delivery }));
  await assert.rejects(end, isError('internal'));
  const { taken } = collect(mesh.subscribe({ name: 'billing' }));
  mesher.last.deliver(1, ['1']);
  await timers.turn();
  assert.deepEqual(idsOf(taken), ['1']);
});
