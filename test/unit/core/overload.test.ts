import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NewEvent } from '../../../node/core/event.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import type { MesherCore } from '../../../node/core/mesher-core.ts';
import type { Input } from '../../../node/core/steps.ts';
import { NOTHING } from '../../contracts/journal-contract.ts';
import { loneCore, NOW } from '../../support/lone-core.ts';

function coreWith(stagedBytesMax: number): MesherCore {
  return loneCore(NOTHING, { ...LIMITS, stagedBytesMax });
}

const event = (bytes: number): NewEvent => ({
  topic: 't',
  expiresAt: 0,
  key: '',
  hash: 1,
  cloudEvent: new Uint8Array(bytes),
});

test('what comes after an overloaded request in the same turn does not overtake it', () => {
  const core = coreWith(1000);
  const publish = (request: number, bytes: number): Input => ({
    kind: 'publish',
    request,
    qos: 'durable',
    report: false,
    events: [event(bytes)],
  });
  const outcomes = (...inputs: Input[]): string[] =>
    core.step(inputs, NOW).flatMap((effect) => {
      if (effect.kind !== 'reply') return [];
      const { reply } = effect;
      return [`${effect.request} ${reply.kind === 'failed' ? reply.error.code : reply.kind}`];
    });
  assert.deepEqual(outcomes(publish(1, 10), publish(2, 2000), publish(3, 10)), [
    '1 published',
    '2 overloaded',
    '3 overloaded',
  ]);
  assert.deepEqual(outcomes(publish(3, 10)), ['3 published']);
});
