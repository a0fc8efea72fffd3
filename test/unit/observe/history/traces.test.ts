import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeRecord } from '../../../../node/core/event-record.ts';
import { ending } from '../../../../node/core/fates.ts';
import type { Effect, Input } from '../../../../node/core/steps.ts';
import { TraceLog } from '../../../../node/observe/history/trace-log.ts';
import { Traces, type TracesPorts } from '../../../../node/observe/history/traces.ts';
import { encodeCloudEvent } from '../../../../node/wire/cloud-event-protobuf.ts';
import { NOW } from '../../../support/lone-core.ts';

const NAME = { id: '1', source: '/s' };
const LOG = { warn: () => undefined };

function redriven(): Effect {
  const cloudEvent = encodeCloudEvent({ ...NAME, type: 't', attributes: new Map(), data: undefined });
  const event = encodeRecord(
    { topic: 't', expiresAt: 0, key: '', hash: 0, cloudEvent },
    { origin: 'n', incarnation: 1, sequence: 1, acceptedAt: 0, path: ['a'], deadLetter: undefined },
  );
  return { ...ending('dropped', '', event, 'billing'), what: 'redriven' };
}

function append(batch: number): Effect {
  return { kind: 'append', batch, ops: [], sync: true };
}

test('what moves a letter is not on disk before the batch that moves it: a crash may undo it until then', async (t) => {
  const parent = await mkdtemp(join(tmpdir(), 'causeway-traces-'));
  t.after(() => rm(parent, { recursive: true }));
  const folder = join(parent, 'trace');
  const ports: Pick<TracesPorts, 'log' | 'now' | 'random'> = { log: LOG, now: () => NOW, random: () => 0.5 };
  const questions = { on: () => undefined } as unknown as TracesPorts['questions'];
  const traces = new Traces({ events: 0, folder }, { ...ports, questions });
  const told = async (): Promise<readonly string[]> => {
    await traces.close();
    return (await new TraceLog(folder, { log: LOG }).of(NAME)).map(({ what }) => what);
  };
  const step = (inputs: readonly Input[], effects: readonly Effect[]): void =>
    traces.stepped(inputs, effects, NOW);
  step([], [append(1)]);
  step([], [redriven()]);
  step([{ kind: 'appended', batch: 1 }], [append(2)]);
  assert.deepEqual(await told(), [], 'it goes with the second');
  step([{ kind: 'appended', batch: 2 }], [redriven(), append(3)]);
  assert.deepEqual(await told(), ['redriven']);
  step([{ kind: 'appended', batch: 3 }], []);
  assert.deepEqual(await told(), ['redriven', 'redriven']);
});
