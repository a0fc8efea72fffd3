import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NewEvent } from '../../../node/core/event.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import { signMember } from '../../../node/core/membership.ts';
import { MesherCore } from '../../../node/core/mesher-core.ts';
import type { Input } from '../../../node/core/steps.ts';
import { TIMING } from '../../../node/core/timing.ts';
import { MemoryDisk, MemoryJournal } from '../../../node/journal/memory-journal.ts';
import { KeyRing } from '../../simulation/fake-keys.ts';

const NOW = { wall: 1_750_000_000_000, monotonic: 1 };

function coreWith(stagedBytesMax: number): MesherCore {
  const keys = new KeyRing().make('a', 'secret');
  const self = signMember(keys, {
    federation: 'acme',
    cluster: 'eu',
    node: 'a',
    incarnation: 1,
    addresses: [],
    http: '',
    labels: {},
    version: '0',
  });
  const recovered = new MemoryJournal(new MemoryDisk()).recoverNow();
  const limits = { ...LIMITS, stagedBytesMax };
  return new MesherCore(
    { self, limits, timing: TIMING, keys, random: () => 0.5, rejoining: false },
    recovered,
    NOW,
  );
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
