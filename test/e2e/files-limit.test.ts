// A mesher that may open no more files: it lives until its journal needs one, ends then, and says why; what was acked is there when it
// comes back, and the journal is not taken for a damaged one.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { lacking } from '../faults/machine/command.ts';
import { Federation } from '../support/federation.ts';
import { Consumer, Ledger, Publisher, untilTaken } from '../support/traffic.ts';

const BATCH = 250;
/** LevelDB opens its next log after 32 MiB: reached long before. */
const EVENTS_MAX = 100_000;

test('a mesher that may open no more files ends with a reason when its journal needs one, and loses nothing that was acked', async (t) => {
  if (lacking('prlimit') !== undefined) {
    t.skip('prlimit is not on PATH (Debian: util-linux)');
    return;
  }
  const federation = await Federation.start(t, { clusters: { a: 1 } });
  const mesher = federation.mesher('a');
  await mesher.putSubscription('all', { topic: 'e2e/#', delivery: { ackTimeoutMs: 10_000 } });
  const publisher = new Publisher();
  let published = 0;
  const publish = async (): Promise<void> => {
    await publisher.publish(() => mesher, published, BATCH);
    published += BATCH;
  };
  await publish();

  // below what it has open: that it keeps
  await promisify(execFile)('prlimit', ['--pid', String(mesher.program.pid), '--nofile=3:']);
  const back = new AbortController();
  const comingBack = mesher.program.ended().then(async () => {
    assert.match(
      mesher.program.output,
      /storage-failed: Failed at writing to the journal in .*: Too many open files/,
    );
    mesher.start();
    await mesher.whenReady();
    back.abort();
  });
  const failing = comingBack.then(() => new Promise<never>(() => undefined));
  while (!back.signal.aborted && published < EVENTS_MAX) await Promise.race([publish(), failing]);
  assert.ok(back.signal.aborted, `it ended, and came back, before ${EVENTS_MAX} events`);
  await comingBack;
  await publish();

  const ledger = new Ledger('all', published);
  const consumer = new Consumer(mesher, 'all', ledger);
  t.after(() => consumer.stop());
  const missing = (): string => `events are missing: ${ledger.missing(published).join(', ')}, …`;
  await untilTaken(missing(), [ledger], () => ledger.distinct === published);
  assert.ok(
    ledger.duplicates <= publisher.repeated + consumer.inDoubt,
    `${ledger.duplicates} came twice, ${publisher.repeated} were published again`,
  );
  t.diagnostic(`${published} events of ${publisher.source}; ${ledger.duplicates} came twice`);
});
