// An event that is taken out of a mesher's journal behind its back, while it is down: the ledger says which.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { Level } from 'level';
import type { LedgerView } from '../../node/core/overview.ts';
import * as codec from '../../node/journal/codec.ts';
import * as keys from '../../node/journal/keys.ts';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { until } from '../support/until.ts';

const MAIN = join(import.meta.dirname, '../../node/main.ts');
const EVENTS = 9;

interface Verified {
  readonly exitCode: number;
  readonly ledger: LedgerView;
}

async function verify({ http }: RunningMesher): Promise<Verified> {
  const args = [MAIN, 'links', '--verify', '--json', '--url', http];
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args);
    return { exitCode: 0, ledger: JSON.parse(stdout) as LedgerView };
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string };
    return { exitCode: code, ledger: JSON.parse(stdout) as LedgerView };
  }
}

/** All with one key, so that they go over one lane, and each in a block of its own. */
async function publish({ http }: RunningMesher, count: number, from = 0): Promise<void> {
  for (let i = from; i < from + count; i++) {
    const event = {
      specversion: '1.0',
      id: String(i),
      source: '/e2e',
      type: 'e2e.ledger',
      partitionkey: 'k',
    };
    const response = await fetch(`${http}/v1/events?topic=e2e/ledger`, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify(event),
    });
    assert.equal(response.status, 202, await response.text());
  }
}

async function received(mesher: RunningMesher): Promise<number> {
  return (await mesher.queues()).find(({ name }) => name === 'all')?.depth ?? 0;
}

/** Takes the entry of the event that waits there as number `index`, from 0; returns its sequence. */
async function takeOut({ data }: RunningMesher, index: number): Promise<number> {
  const db = new Level<Buffer, Buffer>(join(data, 'journal'), {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
  });
  try {
    const lanes = new Set<number>();
    for await (const [key, value] of db.iterator(keys.queueRange))
      if (codec.decodeText(key, value).startsWith('c:b:')) lanes.add(keys.queueOfKey(key) ?? 0);
    const found: { key: Buffer; sequence: number }[] = [];
    for await (const [key, value] of db.iterator(keys.entryRange)) {
      const { first, count } = codec.decodeEntryHead(key, value);
      if (!lanes.has(keys.partsOfEntryKey(key)?.queue ?? 0) || !first) continue;
      assert.equal(count, 1);
      found.push({ key, sequence: first.sequence });
    }
    const taken = found[index];
    assert.ok(taken, `entry ${index} of ${found.length}`);
    await db.del(taken.key, { sync: true });
    return taken.sequence;
  } finally {
    await db.close();
  }
}

async function start(
  t: TestContext,
): Promise<{ a: RunningMesher; b: RunningMesher; federation: Federation }> {
  const federation = await Federation.start(t, { clusters: { a: 1, b: 1 } });
  const [a, b] = [federation.mesher('a'), federation.mesher('b')];
  await b.putSubscription('all', { topic: 'e2e/#' });
  await federation.whenRouted(a, 'e2e/ledger', ['b']);
  await publish(a, 2);
  await until('the first have come', async () => (await received(b)) === 2);
  return { a, b, federation };
}

function verdictOf({ links }: LedgerView): LedgerView['links'][number]['verdict'] {
  const [link] = links;
  assert.ok(link && links.length === 1);
  return link.verdict;
}

/** What waits is taken out by `end` of the mesher, and what it is there says of it. */
async function missing(t: TestContext, end: (mesher: RunningMesher) => Promise<void>, index: number) {
  const { a, b, federation } = await start(t);
  const before = await verify(a);
  assert.equal(before.exitCode, 0);
  assert.match(
    verdictOf(before.ledger).text,
    /^nothing lost between sequence 1 and 2 of lane c:b:\d \(out\)/,
  );
  await b.stop();
  await publish(a, EVENTS, 2);
  await end(a);
  const sequence = await takeOut(a, index);
  a.start();
  b.start();
  await Promise.all([a.whenReady(), b.whenReady()]);
  await federation.whenLinked();
  await until('all others have come', async () => (await received(b)) === 2 + EVENTS - 1);
  const found = await until('the ledger has it', async () => {
    const answer = await verify(a);
    return answer.exitCode === 0 ? undefined : answer;
  });
  assert.equal(found.exitCode, 1);
  assert.equal(verdictOf(found.ledger).outcome, 'differs');
  assert.match(
    verdictOf(found.ledger).text,
    new RegExp(`^sequence ${sequence} of incarnation \\d+ of lane c:b:\\d `),
  );
  assert.match(a.program.output, new RegExp(`ledger: sequence ${sequence} of incarnation`));
  assert.equal(await a.metric('causeway_ledger_differences', { kind: 'left-journal' }), 1);
  assert.ok((await a.metric('causeway_ledger_checks_total', { outcome: 'differs' })) > 0);
  assert.equal((await verify(b)).exitCode, 0, 'the other end knows nothing of it');
}

test('an event that is taken out of the journal of a mesher that was stopped is named: the first', (t) =>
  missing(t, (mesher) => mesher.stop(), 0));

test('an event that is taken out of the journal of a mesher that was stopped is named: the last', (t) =>
  missing(t, (mesher) => mesher.stop(), EVENTS - 1));

test('an event that is taken out of the journal of a mesher that was killed is named, where others were before and after', (t) =>
  missing(t, (mesher) => mesher.kill(), 4));

test('nothing is missing where nothing was taken, also after kills at both ends', async (t) => {
  const { a, b, federation } = await start(t);
  await b.kill();
  await publish(a, EVENTS, 2);
  await a.kill();
  a.start();
  b.start();
  await Promise.all([a.whenReady(), b.whenReady()]);
  await federation.whenLinked();
  await until('all have come', async () => (await received(b)) === 2 + EVENTS);
  for (const mesher of [a, b]) {
    const { exitCode, ledger } = await verify(mesher);
    assert.equal(exitCode, 0);
    assert.equal(verdictOf(ledger).outcome, 'agrees');
  }
});
