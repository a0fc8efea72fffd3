// A mesher's own record in the registry: what others read there is what it signed, or it is put there again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MesherCore } from '../../../node/core/mesher-core.ts';
import type { MemberRecord } from '../../../node/core/ports.ts';
import { loneCore, NOTHING } from '../../support/lone-core.ts';

/** The core of one mesher, and the registry's lists that it reads. */
class Registrant {
  readonly core: MesherCore = loneCore(NOTHING);
  #now = 1_000;

  /** What it registers when it reads this, if anything. */
  reads(...members: MemberRecord[]): MemberRecord | undefined {
    this.#now += 1_000; // it does not register more often than `registryPauseMs` lets it
    const input = { kind: 'members', list: { revision: this.#now, members } } as const;
    const effects = this.core.step([input], { wall: this.#now, monotonic: this.#now });
    return effects.flatMap((effect) => (effect.kind === 'register' ? [effect.record] : []))[0];
  }
}

test('a record that is not in the list is registered, until it is', () => {
  const registrant = new Registrant();
  const own = registrant.reads();
  assert(own);
  assert.equal(registrant.core.members.joined, false);
  assert.deepEqual(registrant.reads(), own);
  assert.equal(registrant.reads(structuredClone(own)), undefined);
  assert.equal(registrant.core.members.joined, true);
});

test('a forged record is none of ours, even with our own signature: it is put right at once', () => {
  const registrant = new Registrant();
  const own = registrant.reads();
  assert(own);
  for (const forged of [
    { ...own, cluster: 'forged' },
    { ...own, incarnation: own.incarnation + 1 },
    { ...own, addresses: ['/ip4/192.0.2.1/tcp/7401'] },
    { ...own, signature: 'none' },
  ]) {
    assert.deepEqual(registrant.reads(forged), own);
    assert.equal(registrant.core.members.joined, false);
  }
});
