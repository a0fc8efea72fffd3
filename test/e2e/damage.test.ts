// A mesher whose journal was damaged while it was down: where its cluster has copies, it comes back as another and nothing that was acked
// is lost; where not, it does not start, and says why.

import assert from 'node:assert/strict';
import { access, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { FLAGS, threeAndOne, untilCopied, untilServedBy } from '../support/replicated.ts';
import { Consumer, Ledger, Publisher, untilTaken } from '../support/traffic.ts';
import { until } from '../support/until.ts';

const EVENTS = process.env['LONG_TESTS'] === '1' ? 40_000 : 3_000;

/** `where`: the journal, else a folder in the data folder. */
async function largest(
  mesher: RunningMesher,
  pattern: RegExp,
  where = 'journal',
): Promise<{ file: string; size: number }> {
  const folder = join(mesher.data, where);
  const files = (await readdir(folder))
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name));
  const sizes = await Promise.all(files.map(async (file) => ({ file, size: (await stat(file)).size })));
  const [found] = sizes.sort((a, b) => b.size - a.size);
  assert.ok(found, `${folder} has a file like ${pattern}`);
  return found;
}

async function flipBit(mesher: RunningMesher, pattern: RegExp, where?: string): Promise<string> {
  const { file, size } = await largest(mesher, pattern, where);
  const bytes = await readFile(file);
  bytes.writeUInt8(bytes.readUInt8(size >>> 1) ^ 4, size >>> 1);
  await writeFile(file, bytes);
  return file;
}

async function cutLog(mesher: RunningMesher): Promise<string> {
  const { file, size } = await largest(mesher, /\.log$/);
  await truncate(file, size >>> 1);
  return file;
}

/** A copy is complete, and the mesher has taken that down. */
async function untilNoted(mesher: RunningMesher): Promise<void> {
  await untilCopied(mesher);
  await until('it is noted who has a copy', () =>
    access(join(mesher.data, 'copied')).then(
      () => true,
      () => false,
    ),
  );
}

/** What was damaged, and what is to happen before: LevelDB makes tables of its logs when it starts. */
async function comesBackAsAnother(
  t: TestContext,
  damage: (mesher: RunningMesher) => Promise<string>,
  prepare: (mesher: RunningMesher) => Promise<void>,
): Promise<void> {
  const { federation, lost, others, far } = await threeAndOne(t);
  await untilCopied(lost);
  await lost.putSubscription('orders', { topic: 'e2e/#' });
  await far.putSubscription('far', { topic: 'e2e/#' });
  for (const mesher of [lost, ...others, far])
    await federation.whenRouted(mesher, 'e2e/events', mesher === far ? ['eu'] : ['us']);
  const publisher = new Publisher();
  await publisher.publish(() => lost, 0, EVENTS);
  await publisher.publish(() => far, EVENTS, EVENTS);
  await prepare(lost);
  await untilNoted(lost);
  const before = (await lost.federation()).self.node;

  await lost.kill();
  const file = await damage(lost);
  await startsAsAnother(lost, before);
  assert.ok(lost.program.output.includes(file), 'the damaged file is named');
  const aside = (await readdir(lost.data)).filter((name) => name.startsWith('journal.damaged-'));
  assert.equal(aside.length, 1, 'the damaged journal is kept');

  const heir = await untilServedBy(others, 'orders');
  await federation.whenLinked();
  await untilCopied(lost);
  await publisher.publish(() => lost, 2 * EVENTS, EVENTS);
  const ledgers = [new Ledger('orders', 3 * EVENTS), new Ledger('far', 3 * EVENTS)] as const;
  const consumers = [new Consumer(heir, 'orders', ledgers[0]), new Consumer(far, 'far', ledgers[1])];
  await untilTaken('everything delivered', ledgers, () => ledgers.every((one) => one.distinct >= 3 * EVENTS));
  for (const consumer of consumers) await consumer.stop();
  for (const one of ledgers) assert.deepEqual(one.missing(3 * EVENTS), [], `${one.name} misses nothing`);
}

/** Where the damage is only come upon while it runs, it ends, and whoever supervises it starts it again. */
async function startsAsAnother(mesher: RunningMesher, before: string): Promise<void> {
  await until('it has another name', async () => {
    if (!mesher.program.running) mesher.start();
    try {
      return (await mesher.federation()).self.node !== before;
    } catch {
      return false; // it does not listen yet, or any more
    }
  });
  await mesher.whenReady();
}

const asItIs = (): Promise<void> => Promise.resolve();

async function restarted(mesher: RunningMesher): Promise<void> {
  await mesher.kill();
  mesher.start();
  await mesher.whenReady();
}

test('a log that was cut short costs nothing that was acked: others have copies', async (t) => {
  await comesBackAsAnother(t, cutLog, asItIs);
});

test('a bit flipped in a table costs nothing that was acked: others have copies', async (t) => {
  await comesBackAsAnother(t, (mesher) => flipBit(mesher, /\.ldb$/), restarted);
});

test('with one replica it does not start from a damaged journal, says so, and goes on when the file is put back', async (t) => {
  const federation = await Federation.start(t, { clusters: { eu: 1 } });
  const mesher = federation.mesher('eu');
  await mesher.putSubscription('orders', { topic: 'e2e/#' });
  const publisher = new Publisher();
  await publisher.publish(() => mesher, 0, EVENTS);
  await mesher.kill();
  const { file } = await largest(mesher, /\.log$/);
  const whole = await readFile(file);
  for (const damage of [cutLog, (one: RunningMesher) => flipBit(one, /\.log$/)]) {
    await damage(mesher);
    mesher.start();
    await mesher.program.ended();
    assert.match(mesher.program.output, /Nothing is served from a damaged journal/);
    assert.ok(mesher.program.output.includes(file), 'the damaged file is named');
    await writeFile(file, whole);
  }
  mesher.start();
  await mesher.whenReady();
  const ledger = new Ledger('orders', EVENTS);
  const consumer = new Consumer(mesher, 'orders', ledger);
  await untilTaken('everything delivered', [ledger], () => ledger.distinct >= EVENTS);
  await consumer.stop();
  assert.deepEqual(ledger.missing(EVENTS), []);
});

test('damage in an old table ends the mesher at once, though nothing is written and nobody reads it', async (t) => {
  const federation = await Federation.start(t, { clusters: { eu: 1 } });
  const mesher = federation.mesher('eu');
  await mesher.putSubscription('orders', { topic: 'e2e/#' });
  const publisher = new Publisher();
  await publisher.publish(() => mesher, 0, EVENTS);
  await restarted(mesher);
  await mesher.kill();
  const file = await flipBit(mesher, /\.ldb$/);
  const refused = 'Nothing is served from a damaged journal';
  mesher.start();
  await until('it has ended', () => !mesher.program.running && mesher.program.output.includes(file));
  assert.ok(!mesher.program.output.includes(refused), 'it had started');
  mesher.start();
  await until(
    'it does not start again',
    () => !mesher.program.running && mesher.program.output.includes(refused),
  );
});

test('a copy that is damaged is put aside and sent anew while both meshers go on, and is whole when it is needed', async (t) => {
  const replicas = ['--replicas', '2', ...FLAGS];
  const federation = await Federation.start(t, { clusters: { eu: 2 }, flags: replicas });
  const [lost, holder] = federation.meshers('eu');
  assert.ok(lost && holder);
  await untilCopied(lost);
  await lost.putSubscription('orders', { topic: 'e2e/#' });
  const publisher = new Publisher();
  await publisher.publish(() => lost, 0, EVENTS);
  const { node } = (await lost.federation()).self;
  await restarted(holder);
  await holder.kill();
  const file = await flipBit(holder, /\.ldb$/, join('copies', node));
  holder.start();
  for (const folder of [`${node}.damaged`, node])
    await until('it is put aside, and another begun', () =>
      access(join(holder.data, 'copies', folder)).then(() => true),
    );
  assert.ok(holder.program.output.includes(file), 'the damaged file is named');
  await until('it is whole again', async () => (await lost.links()).copies.every(({ complete }) => complete));
  assert.ok(holder.program.running, 'the mesher that had it went on');

  await lost.kill();
  await rm(lost.data, { recursive: true });
  await untilServedBy([holder], 'orders');
  const ledger = new Ledger('orders', EVENTS);
  const consumer = new Consumer(holder, 'orders', ledger);
  await untilTaken('everything delivered', [ledger], () => ledger.distinct >= EVENTS);
  await consumer.stop();
  assert.deepEqual(ledger.missing(EVENTS), []);
});
