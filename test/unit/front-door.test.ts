import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '../../node/core/limits.ts';
import type { Input } from '../../node/core/steps.ts';
import type { Driver } from '../../node/driver.ts';
import { MesherDoor } from '../../node/front-door.ts';

test('does not delete the dead letters, and says how to empty them', async () => {
  const notAsked = (): never => {
    throw new Error('it was asked');
  };
  const options = { node: 'n', cluster: 'c', federation: 'f', limits: LIMITS };
  const door = new MesherDoor(options, notAsked, notAsked);
  await assert.rejects(door.deleteSubscription('$dead-letters'), {
    code: 'method-not-allowed',
    message: /always there .* pull its events and settle/,
  });
  await assert.rejects(door.deleteSubscription('other'), /it was asked/);
});

test('a key that is too long is refused, and the attribute named', async () => {
  const options = { node: 'n', cluster: 'c', federation: 'f', limits: LIMITS };
  const inputs: Input[] = [];
  const driver = {
    request: (make: (request: number) => Input) => {
      inputs.push(make(1));
      return Promise.resolve({ kind: 'published', results: [] });
    },
  } as unknown as Driver;
  const door = new MesherDoor(
    options,
    () => assert.fail(),
    () => driver,
  );
  const publish = (key: string) =>
    door.publish(
      [
        {
          id: '1',
          source: '/s',
          type: 't',
          attributes: new Map([['partitionkey', { type: 'string', value: key }]]),
          data: undefined,
        },
      ],
      { qos: 'durable', topic: 'a' },
    );
  await publish('é'.repeat(LIMITS.keyBytesMax / 2));
  assert.equal(inputs.length, 1);
  await assert.rejects(publish(`${'é'.repeat(LIMITS.keyBytesMax / 2)}x`), {
    code: 'invalid-event',
    message: /1025 bytes, the limit is 1024/,
    details: { attribute: 'partitionkey' },
  });
});
