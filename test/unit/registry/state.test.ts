import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MemberRecord } from '../../../node/core/ports.ts';
import { REGISTRY_LIMITS } from '../../../registry/limits.ts';
import type { Scheduler } from '../../../registry/scheduler.ts';
import { RegistryState } from '../../../registry/state.ts';
import type { StateChange } from '../../../registry/state.ts';
import { VirtualTime } from '../../contracts/registry-virtual-time.ts';

function record(node: string, federation = 'f'): MemberRecord {
  return {
    federation,
    cluster: 'lab',
    node,
    incarnation: 1,
    addresses: [],
    http: '',
    labels: {},
    version: '',
    signature: '',
  };
}

/** A clock that can jump over its timers, as when the process was stopped: they then run late. */
class StoppableTime implements Scheduler {
  readonly #time = new VirtualTime();
  #skippedMs = 0;

  now(): number {
    return this.#time.now() + this.#skippedMs;
  }

  after(ms: number, run: () => void): () => void {
    return this.#time.after(ms, run);
  }

  skip(ms: number): void {
    this.#skippedMs += ms;
  }

  pass(ms: number): Promise<void> {
    return this.#time.pass(ms);
  }
}

describe('registry state', () => {
  it('ends a lease that nobody renews, and no other', async () => {
    const time = new VirtualTime();
    const state = new RegistryState(time, () => undefined);
    state.putMember(record('silent'), 2000, 'any');
    const lease = state.putMember(record('renewing'), 2000, 'any');
    assert.ok(lease !== undefined);
    await time.pass(1500);
    assert.ok(state.keepAlive('f', 'renewing', lease));
    await time.pass(1000);
    assert.deepEqual(
      state.members('f').members.map(({ node }) => node),
      ['renewing'],
    );
    await time.pass(1500);
    assert.deepEqual(state.members('f').members, []);
    assert.ok(!state.keepAlive('f', 'renewing', lease), 'what has ended is not renewed');
  });

  it('gives every lease the time back in which the registry itself was stopped', async () => {
    const time = new StoppableTime();
    const state = new RegistryState(time, () => undefined);
    state.putMember(record('n1'), 2000, 'any');
    await time.pass(500);
    time.skip(60_000);
    await time.pass(1000);
    assert.equal(state.members('f').members.length, 1);
    await time.pass(1000);
    assert.equal(state.members('f').members.length, 0, 'and no more than that');
  });

  it('starts what it restores with a full lease, and counts on', async () => {
    const time = new VirtualTime();
    const changes: StateChange[] = [];
    const before = new RegistryState(time, (change) => changes.push(change));
    before.putMember(record('n1'), 2000, 'any');
    const setting = before.putSetting('f', 'k', 'v', 0);
    await time.pass(1900);
    before.close();
    const after = new RegistryState(time, () => undefined);
    for (const change of changes) after.restore(change);
    assert.equal(after.revision, before.revision);
    assert.deepEqual(after.getSetting('f', 'k'), setting);
    await time.pass(1900);
    assert.equal(after.members('f').members.length, 1);
    await time.pass(400);
    assert.equal(after.members('f').members.length, 0);
  });

  it('holds no more than it may, and makes room when something goes', () => {
    const state = new RegistryState(new VirtualTime(), () => undefined);
    for (let at = 0; at < REGISTRY_LIMITS.membersMax; at += 1)
      state.putMember(record(`n${String(at)}`), 2000, 'any');
    assert.throws(() => state.putMember(record('more'), 2000, 'any'), { code: 'overloaded' });
    assert.ok(state.putMember(record('n0'), 2000, 'any'), 'a replacement needs no room');
    state.removeMember('f', 'n1', undefined);
    assert.ok(state.putMember(record('more'), 2000, 'any'));
    for (let at = 0; at < REGISTRY_LIMITS.settingsMax; at += 1) state.putSetting('f', String(at), '', 0);
    assert.throws(() => state.putSetting('f', 'more', '', 0), { code: 'overloaded' });
  });

  it('forgets a federation with its last entry, and makes none for a write that fails', () => {
    const state = new RegistryState(new VirtualTime(), () => undefined);
    for (let at = 0; at < 2 * REGISTRY_LIMITS.federationsMax; at += 1) {
      const federation = `f${String(at)}`;
      assert.equal(state.putSetting(federation, 'k', 'v', 5), undefined);
      assert.ok(state.putMember(record('n', federation), 2000, 'any'));
      state.removeMember(federation, 'n', undefined);
    }
    for (let at = 0; at < REGISTRY_LIMITS.federationsMax; at += 1)
      state.putSetting(`f${String(at)}`, 'k', 'v', 0);
    assert.throws(() => state.putSetting('more', 'k', 'v', 0), { code: 'overloaded' });
  });
});
