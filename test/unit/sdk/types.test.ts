// The client's public types are its own. Here they are held against the mesher's, so that neither can change alone: this file does
// not compile where they differ.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DELIVERY_DEFAULTS, type DeliverySettings as Stored } from '../../../node/core/subscription.ts';
import type { PublishResult } from '../../../node/core/delivery-types.ts';
import type { DeliverySettings, PublishReport } from '../../../sdk/typescript/client.ts';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

test('the settings and reports of the client are those of the mesher', () => {
  const settings: Same<keyof DeliverySettings, keyof Stored> = true;
  const report: Same<keyof PublishReport, keyof PublishResult> = true;
  const destinations: Same<keyof PublishReport['destinations'], keyof PublishResult['destinations']> = true;
  const told = (result: PublishResult): PublishReport => result;
  const stored = (asked: DeliverySettings): Stored => asked;
  assert.deepEqual([settings, report, destinations], [true, true, true]);
  assert.equal(stored(DELIVERY_DEFAULTS), DELIVERY_DEFAULTS);
  const nowhere = { subscriptions: 0, meshers: [], clusters: [] };
  const result = { source: '/a', id: '1', origin: 'me', sequence: 1, destinations: nowhere };
  assert.equal(told(result), result);
});
