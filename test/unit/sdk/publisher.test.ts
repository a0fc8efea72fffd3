import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CloudEvent } from 'cloudevents';
import { CausewayError } from '../../../sdk/typescript/errors.ts';
import type { PublishResult } from '../../../node/core/delivery-types.ts';
import type { EventInput, PublishOptions } from '../../../sdk/typescript/types.ts';
import { connected, watch } from './connected.ts';
import { idsOf } from './fake-mesher.ts';

const event = (id: string, more: Record<string, unknown> = {}) => ({ id, source: '/s', type: 't', ...more });

function result(id: string): PublishResult {
  return {
    source: '/s',
    id,
    origin: 'n',
    sequence: 1,
    destinations: { subscriptions: 1, meshers: [], clusters: [] },
  };
}

function isError(code: string, inDoubt = false): (error: unknown) => boolean {
  return (error) => error instanceof CausewayError && error.code === code && error.inDoubt === inDoubt;
}

test('what is published in one turn goes in one message, topics told apart, and is settled by its answer', async () => {
  const { mesh, mesher, timers } = await connected();
  const one = watch(mesh.publish(event('1'), { topic: 'a/b' }));
  const two = watch(mesh.publish([event('2'), event('3')], { topic: 'a/b' }));
  const three = watch(mesh.publish(event('4')));
  await timers.turn();
  const [frame, ...others] = mesher.last.published;
  assert.ok(frame);
  assert.equal(others.length, 0);
  assert.deepEqual(idsOf(frame), ['1', '2', '3', '4']);
  assert.deepEqual(frame.topics, [
    { count: 3, topic: 'a/b' },
    { count: 1, topic: '' },
  ]);
  assert.equal(frame.qos, 'durable');
  assert.deepEqual([one.state, two.state, three.state], ['pending', 'pending', 'pending']);
  mesher.last.accept(frame.request);
  await timers.turn();
  assert.deepEqual([one.state, two.state, three.state], ['resolved', 'resolved', 'resolved']);
});

test('best-effort and reports travel apart, in order; each call gets the reports of its own events', async () => {
  const { mesh, mesher, timers } = await connected();
  void mesh.publish(event('1'));
  void mesh.publish(event('2'), { qos: 'best-effort' });
  const first = mesh.publish([event('3'), event('4')], { report: true });
  const second = mesh.publish(event('5'), { report: true });
  await timers.turn();
  const frames = mesher.last.published;
  assert.deepEqual(frames.map(idsOf), [['1'], ['2'], ['3', '4', '5']]);
  assert.deepEqual(
    frames.map(({ qos, report }) => [qos, report]),
    [
      ['durable', false],
      ['best-effort', false],
      ['durable', true],
    ],
  );
  mesher.last.report(frames[2]?.request ?? 0, [result('3'), result('4'), result('5')]);
  assert.deepEqual(await first, [result('3'), result('4')]);
  assert.deepEqual(await second, [result('5')]);
});

test('fewer replicas are asked for where the mesher knows what that means, and travel apart', async () => {
  const { mesh, mesher, timers } = await connected();
  const calls = [
    mesh.publish(event('1'), { replicas: 1 }),
    mesh.publish(event('2'), { replicas: 1 }),
    mesh.publish(event('3')),
  ];
  await timers.turn();
  const frames = mesher.last.published;
  assert.deepEqual(
    frames.map((frame) => [idsOf(frame), frame.replicas]),
    [
      [['1', '2'], 1],
      [['3'], undefined],
    ],
  );
  // one that would end the connection for it keeps as many as ever
  mesher.welcome = { ...mesher.welcome, replicasMax: 0 };
  mesher.last.drop();
  await timers.pass(1_000);
  assert.deepEqual(
    mesher.last.published.map((frame) => [idsOf(frame), frame.replicas]),
    [
      [['1', '2'], undefined],
      [['3'], undefined],
    ],
  );
  for (const { request } of mesher.last.published) mesher.last.accept(request);
  await Promise.all(calls);
  for (const replicas of [0, -1, 1.5, 6, NaN])
    await assert.rejects(mesh.publish(event('4'), { replicas }), isError('invalid-request'));
});

test('no more is under way than the mesher allows; what waits meanwhile goes together', async () => {
  const { mesh, mesher, timers } = await connected({}, { publishWindowBytes: 100 });
  const data = 'x'.repeat(60);
  for (const id of ['1', '2', '3']) {
    void mesh.publish(event(id, { data }));
    await timers.turn();
  }
  assert.deepEqual(mesher.last.published.map(idsOf), [['1']]);
  mesher.last.accept(1);
  await timers.turn();
  assert.deepEqual(mesher.last.published.map(idsOf), [['1'], ['2', '3']]);
});

test('no more batches are under way than were asked for', async () => {
  const { mesh, mesher, timers } = await connected({ batchesInFlightMax: 1 });
  for (const id of ['1', '2', '3']) {
    void mesh.publish(event(id));
    await timers.turn();
  }
  assert.deepEqual(mesher.last.published.map(idsOf), [['1']]);
  mesher.last.accept(1);
  await timers.turn();
  assert.deepEqual(mesher.last.published.map(idsOf), [['1'], ['2', '3']]);
});

test('a call is taken whole or not at all: it is never cut, and refused where no message could hold it', async () => {
  const { mesh, mesher, timers } = await connected(
    {},
    { batchEventsMax: 3, batchBytesMax: 1_000, eventBytesMax: 500 },
  );
  void mesh.publish([event('1'), event('2')]);
  void mesh.publish([event('3'), event('4')]);
  await assert.rejects(mesh.publish(['5', '6', '7', '8'].map((id) => event(id))), isError('batch-too-large'));
  await assert.rejects(
    mesh.publish([event('9'), event('10', { data: 'x'.repeat(500) })]),
    (error) =>
      error instanceof CausewayError && error.code === 'event-too-large' && error.details['index'] === 1,
  );
  void mesh.publish(event('11'));
  await timers.turn();
  assert.deepEqual(mesher.last.published.map(idsOf), [
    ['1', '2'],
    ['3', '4', '11'],
  ]);
});

test('what waits is bounded: beyond it calls are refused, until there is room again', async () => {
  const { mesh, mesher, timers } = await connected({ waitingBytesMax: 300_000 }, { publishWindowBytes: 10 });
  const big = { data: 'x'.repeat(100_000) };
  void mesh.publish(event('0', big));
  await timers.turn();
  const calls = ['1', '2', '3', '4'].map((id) => watch(mesh.publish(event(id, big))));
  await timers.turn();
  assert.deepEqual(
    calls.map(({ state }) => state),
    ['pending', 'pending', 'pending', 'rejected'],
  );
  assert.ok(isError('overloaded')(calls[3]?.error));
  const ready = watch(mesh.ready());
  await timers.turn();
  assert.equal(ready.state, 'pending');
  mesher.last.accept(1);
  await timers.turn();
  assert.equal(ready.state, 'resolved');
  assert.equal(watch(mesh.publish(event('5', big))).state, 'pending');
});

test('what was unanswered when the connection was lost is sent again first, in the same order, and counted', async () => {
  const { mesh, mesher, timers } = await connected({}, { publishWindowBytes: 500 });
  const calls: ReturnType<typeof watch>[] = [];
  for (const id of ['1', '2', '3', '4', '5', '6']) {
    calls.push(watch(mesh.publish(event(id, { data: 'x'.repeat(120) }))));
    await timers.turn();
  }
  const [first] = mesher.connections;
  assert.deepEqual(first?.published.map(idsOf), [['1'], ['2'], ['3']]);
  first.accept(2);
  await timers.turn();
  first.drop();
  await timers.pass(1_000);
  assert.equal(mesher.connections.length, 2);
  mesher.last.accept(1, 2);
  await timers.turn();
  assert.deepEqual(mesher.last.published.map(idsOf), [['1'], ['3'], ['4', '5', '6']]);
  assert.deepEqual(
    calls.map(({ state }) => state),
    ['resolved', 'resolved', 'resolved', 'pending', 'pending', 'pending'],
  );
  assert.equal(mesh.inDoubt, 2);
});

test('what the mesher cannot take now is tried again after a pause, in order, and before what came later', async () => {
  const { mesh, mesher, timers } = await connected();
  const refusals: string[] = [];
  mesh.on('refused', ({ code }) => refusals.push(code));
  for (const id of ['1', '2', '3', '4']) {
    void mesh.publish(event(id));
    await timers.turn();
  }
  mesher.last.refuse(3, 'not-ready');
  mesher.last.refuse(1, 'disk-full');
  mesher.last.refuse(2, 'not-ready');
  void mesh.publish(event('5'));
  await timers.turn();
  mesher.last.accept(4);
  await timers.turn();
  assert.equal(mesher.last.published.length, 4);
  await timers.pass(1_000);
  assert.deepEqual(mesher.last.published.slice(4).map(idsOf), [['1'], ['2'], ['3'], ['5']]);
  assert.deepEqual(refusals, ['not-ready', 'disk-full', 'not-ready']);
  assert.equal(mesh.inDoubt, 0);
});

test('of a message that was refused for good, each call is tried alone: only the one to blame rejects', async () => {
  const { mesh, mesher, timers } = await connected();
  const calls = ['1', '2', '3'].map((id) => watch(mesh.publish(event(id), { topic: `t/${id}` })));
  const later = watch(mesh.publish([event('4'), event('5')]));
  await timers.turn();
  mesher.last.refuse(1, 'invalid-topic');
  await timers.turn();
  const alone = mesher.last.published.slice(1);
  assert.deepEqual(alone.map(idsOf), [['1'], ['2'], ['3'], ['4', '5']]);
  assert.deepEqual(
    alone.map(({ topics }) => topics[0]?.topic),
    ['t/1', 't/2', 't/3', ''],
  );
  mesher.last.refuse(3, 'invalid-topic', 'this one');
  mesher.last.accept(2, 4, 5);
  await timers.turn();
  assert.deepEqual(
    [...calls, later].map(({ state }) => state),
    ['resolved', 'rejected', 'resolved', 'resolved'],
  );
  assert.ok(calls[1]?.error instanceof CausewayError);
  assert.deepEqual(
    [calls[1].error.message, calls[1].error.status, calls[1].error.retryable],
    ['this one', 400, false],
  );
});

test('the parts of a message that was refused for good keep their order, refused again or lost with the connection', async () => {
  const { mesh, mesher, timers } = await connected();
  for (const id of ['a', 'b', 'c', 'd']) void mesh.publish(event(id));
  await timers.turn();
  mesher.last.refuse(1, 'invalid-topic');
  await timers.turn();
  for (const request of [2, 4, 5]) mesher.last.refuse(request, 'not-ready');
  mesher.last.accept(3);
  await timers.pass(1_000);
  const sent = (): string[] => mesher.last.published.flatMap(idsOf);
  assert.deepEqual(sent().slice(8), ['a', 'c', 'd']);
  mesher.last.refuse(8, 'not-ready'); // d
  mesher.last.refuse(6, 'not-ready'); // a waits, c is unanswered
  mesher.last.drop();
  await timers.pass(1_000);
  assert.deepEqual(sent(), ['a', 'c', 'd']);
});

test('what was sent again after later ones is in its place again when the connection is lost', async () => {
  const { mesh, mesher, timers } = await connected();
  for (const id of ['1', '2', '3', '4']) {
    void mesh.publish(event(id));
    await timers.turn();
  }
  mesher.last.refuse(1, 'not-ready');
  await timers.pass(1_000);
  mesher.last.refuse(2, 'not-ready'); // waits, while 3, 4 and then 1 are unanswered
  mesher.last.drop();
  await timers.pass(1_000);
  assert.deepEqual(mesher.last.published.flatMap(idsOf), ['1', '2', '3', '4']);
});

test('parts of a message that may have been taken are in doubt like the whole', async () => {
  const { mesh, mesher, timers } = await connected();
  const calls = ['1', '2'].map((id) => watch(mesh.publish(event(id))));
  await timers.turn();
  mesher.last.drop();
  await timers.pass(1_000);
  mesher.last.refuse(1, 'invalid-topic');
  await timers.turn();
  mesher.last.refuse(2, 'invalid-topic');
  mesher.last.refuse(3, 'invalid-topic');
  await timers.turn();
  for (const { error } of calls) assert.ok(isError('invalid-topic', true)(error), String(error));
});

test('a publish that is not taken in time rejects with what stood in the way, and says whether it is in doubt', async () => {
  const { mesh, mesher, timers } = await connected({ publishTimeoutMs: 5_000 });
  const silent = watch(mesh.publish(event('1')));
  await timers.pass(6_000);
  assert.ok(isError('request-timeout', true)(silent.error), String(silent.error));

  const refused = watch(mesh.publish(event('2')));
  await timers.turn();
  for (let tried = 1; refused.state === 'pending'; await timers.pass(10)) {
    for (; tried < mesher.last.published.length; tried++)
      mesher.last.refuse(mesher.last.published[tried]?.request ?? 0, 'disk-full');
  }
  assert.ok(isError('disk-full')(refused.error), String(refused.error));

  mesher.status = 'refuses';
  mesher.last.drop('gone');
  const unsent = watch(mesh.publish(event('3')));
  await timers.pass(6_000);
  assert.ok(isError('mesher-unreachable')(unsent.error), String(unsent.error));
  mesher.status = 'up';
  await timers.pass(10_000);
  assert.deepEqual(mesher.last.published, []);
});

test('an event that is none rejects at once and spoils nothing for the others', async () => {
  const { mesh, mesher, timers } = await connected();
  void mesh.publish(event('1'));
  for (const wrong of [
    { id: '2', source: 'no uri', type: 't' },
    { source: '/s', type: '' },
    event('2', { Upper: 1 }),
    event('2', { n: 1.5 }),
    event('2', { o: {} }),
    event('2', { specversion: '0.3' }),
    event('2', { data: () => 1 }),
    event('2', { datacontenttype: 'text/plain', data: { n: 1 } }),
    event('2', { data_base64: '?' }),
    event('2', { time: 'yesterday' }),
    event('2', { time: new Date(Number.NaN) }),
  ]) {
    await assert.rejects(mesh.publish([event('0'), wrong]), isError('invalid-event'), JSON.stringify(wrong));
  }
  await assert.rejects(mesh.publish(event('2'), { topic: 'a/#' }), isError('invalid-topic'));
  void mesh.publish(event('3'));
  await timers.turn();
  assert.deepEqual(mesher.last.published.map(idsOf), [['1', '3']]);
});

test("takes instances of the CloudEvents SDK, and bytes as 'encodeEvent' gives them", async () => {
  const { mesh, mesher, timers } = await connected();
  const sdk = new CloudEvent({
    id: 'sdk',
    source: '/s',
    type: 't',
    datacontenttype: 'application/octet-stream',
    data: Buffer.from([1, 2, 3]),
  });
  void mesh.publish([sdk, mesher.last.frames.length === 0 ? event('plain') : event('other')]);
  await timers.turn();
  assert.deepEqual(mesher.last.published.map(idsOf), [['sdk', 'plain']]);
});

test('close takes nothing more, waits for answers, and does not wait for ever', async () => {
  const { mesh, mesher, timers } = await connected({ closeTimeoutMs: 2_000 });
  const answered = watch(mesh.publish(event('1')));
  await timers.turn();
  const unanswered = watch(mesh.publish(event('2')));
  const closing = watch(mesh.close());
  await assert.rejects(mesh.publish(event('3')), isError('closed'));
  await timers.turn();
  mesher.last.accept(1);
  await timers.pass(1_000);
  assert.equal(answered.state, 'resolved');
  assert.equal(closing.state, 'pending');
  await timers.pass(1_500);
  assert.equal(closing.state, 'resolved');
  assert.ok(isError('closed', true)(unanswered.error));
  assert.equal(mesher.last.closeCode, 1000);
  await timers.pass(60_000);
  assert.equal(mesher.connections.length, 1);
});

test('of what close gives up, only what was sent is in doubt', async () => {
  const { mesh, mesher, timers } = await connected({ batchesInFlightMax: 1, closeTimeoutMs: 2_000 });
  const sent = watch(mesh.publish(event('1')));
  await timers.turn();
  const unsent = watch(mesh.publish(event('2')));
  void mesh.close();
  await timers.pass(3_000);
  assert.deepEqual(mesher.last.published.flatMap(idsOf), ['1']);
  assert.ok(isError('closed', true)(sent.error), String(sent.error));
  assert.ok(isError('closed', false)(unsent.error), String(unsent.error));
});

test('what is no event at all rejects, and is not thrown', async () => {
  const { mesh } = await connected();
  for (const wrong of [undefined, null, 'text', 1, [undefined], [null]] as unknown[])
    await assert.rejects(mesh.publish(wrong as EventInput), isError('invalid-event'), JSON.stringify(wrong));
  const options = null as unknown as PublishOptions;
  await assert.rejects(mesh.publish(event('1'), options), isError('internal'));
  const topic = 1 as unknown as string;
  await assert.rejects(mesh.publish(event('1'), { topic }), isError('internal'));
});

test('a listener that throws is warned of, and changes nothing for the others and the client', async () => {
  const { mesh, mesher, timers, warnings } = await connected();
  const told: string[] = [];
  mesh.on('down', () => {
    throw new Error('thrown at down');
  });
  mesh.on('down', () => told.push('down'));
  mesh.on('refused', () => {
    throw new Error('thrown at refused');
  });
  mesh.on('refused', () => told.push('refused'));
  mesh.on('up', () => {
    throw new Error('thrown at up');
  });
  mesh.on('up', () => told.push('up'));
  const call = watch(mesh.publish(event('1')));
  await timers.turn();
  mesher.last.refuse(1, 'not-ready');
  await timers.pass(1_000);
  mesher.last.drop();
  await timers.pass(1_000);
  mesher.last.accept(1);
  await timers.turn();
  assert.equal(call.state, 'resolved');
  assert.deepEqual(told, ['refused', 'down', 'up']);
  assert.deepEqual(warnings.map(String), [
    'Error: thrown at refused',
    'Error: thrown at down',
    'Error: thrown at up',
  ]);
});

test('no message is larger than the mesher takes, its topics counted, also where another one takes less', async () => {
  const messageBytesMax = 250_000;
  const { mesh, mesher, timers } = await connected({}, { messageBytesMax });
  const topic = (n: number): string => `${n}/${'x'.repeat(60_000)}`;
  const calls = Array.from({ length: 10 }, (_, n) => watch(mesh.publish(event(`${n}`), { topic: topic(n) })));
  await timers.turn();
  const sizes = (): number[] =>
    mesher.last.published.map(({ batch, topics }) =>
      topics.reduce((sum, each) => sum + each.topic.length, batch.length),
    );
  assert.ok(Math.max(...sizes()) <= messageBytesMax && sizes().length < 10, sizes().join());
  mesher.welcome = { ...mesher.welcome, messageBytesMax: 61_000 };
  void watch(mesh.publish(event('10', { data: 'x'.repeat(70_000) })));
  await timers.turn();
  mesher.last.drop();
  await timers.pass(1_000);
  assert.equal(sizes().length, 10);
  mesher.last.accept(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
  await timers.turn();
  assert.deepEqual(new Set(calls.map(({ state }) => state)), new Set(['resolved']));
});

test('ready waits where less than a full message may wait', async () => {
  const { mesh, timers } = await connected({ waitingBytesMax: 1_000 }, { publishWindowBytes: 10 });
  void mesh.publish(event('1'));
  await timers.turn();
  void mesh.publish(event('2', { data: 'x'.repeat(2_000) }));
  const ready = watch(mesh.ready());
  await timers.turn();
  assert.equal(ready.state, 'pending');
});
