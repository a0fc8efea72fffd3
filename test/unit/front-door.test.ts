import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '../../node/core/limits.ts';
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
