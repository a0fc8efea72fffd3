// What the registry promises when etcd, the network or the client's own process fails: on three real members with TLS,
// users and passwords. Waiting is by asking again until a generous deadline; no time is asserted, only order.

import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MeshError } from '../../node/core/errors.ts';
import type { MemberRecord, Registry } from '../../node/core/ports.ts';
import { startRegistryServer } from '../../registry/embedded/server.ts';
import { openRegistry, openStore } from '../../registry/open.ts';
import type { RegistryOptions } from '../../registry/open.ts';
import { slowness } from '../support/calibrate.ts';
import { makeAuthority } from '../support/etcd-certificates.ts';
import { startEtcd } from '../support/etcd.ts';
import type { TestEtcd } from '../support/etcd.ts';
import { PATIENCE_MS, until } from '../support/until.ts';
import type { Answer, Order } from './registry-child.ts';

const ttlMs = Math.round(2000 * slowness());

/** Asks while the registry may be away. */
async function lists(registry: Registry, ...nodes: string[]): Promise<boolean> {
  try {
    const { members } = await registry.members();
    return (
      members
        .map(({ node }) => node)
        .sort()
        .join() === [...nodes].sort().join()
    );
  } catch (error) {
    assert.ok(error instanceof MeshError && error.code === 'registry-unavailable', String(error));
    return false;
  }
}

/** A federation of its own for each test, and clients that are closed with it. */
function setUp(test: TestContext, etcd: TestEtcd) {
  const federation = `f-${randomUUID()}`;
  const optionsOf = (node: string): RegistryOptions => ({ federation, node, ttlMs, ...etcd.options });
  const record = (node: string): MemberRecord => ({
    federation,
    cluster: 'lab',
    node,
    incarnation: 1,
    addresses: [],
    http: '',
    labels: {},
    version: '0.1.0',
    signature: '',
  });
  const open = async (node: string, changes: Partial<RegistryOptions> = {}, address = etcd.address) => {
    const registry = await openRegistry(address, { ...optionsOf(node), ...changes });
    test.after(() => registry.close());
    return registry;
  };
  /** A process that has opened a registry client. */
  const start = async (node: string) => {
    const child = fork(new URL('./registry-child.ts', import.meta.url), { serialization: 'advanced' });
    test.after(() => child.kill('SIGKILL'));
    await tell(child, { kind: 'open', address: etcd.address, options: optionsOf(node) });
    return child;
  };
  return { open, start, record };
}

/** Asked again where etcd has no leader just then: a mesher does the same. */
async function register(registry: Registry, record: MemberRecord): Promise<void> {
  await until('it is registered', async () => {
    await registry.register(record);
    return true;
  });
}

async function tell(child: ChildProcess, order: Order): Promise<void> {
  const answered = once(child, 'message') as Promise<[Answer]>;
  child.send(order);
  const [answer] = await answered;
  assert.ok(answer.done, answer.done ? '' : answer.error);
}

/** Looks for a while, often, and fails if a list ever lacks one of the nodes. No answer is no evidence. */
async function staysListed(registry: Registry, ms: number, ...nodes: string[]): Promise<void> {
  const end = performance.now() + ms;
  while (performance.now() < end) {
    const list = await registry.members().catch((error: unknown) => {
      assert.ok(error instanceof MeshError && error.code === 'registry-unavailable', String(error));
      return undefined;
    });
    if (list !== undefined) assert.deepEqual(list.members.map(({ node }) => node).sort(), nodes);
    await sleep(100);
  }
  await until('they are listed', () => lists(registry, ...nodes));
}

describe('registry in etcd', () => {
  describe('when etcd fails', () => {
    let etcd: TestEtcd;
    before(async () => {
      etcd = await startEtcd({ members: 3, tls: true, auth: true });
    });
    after(() => etcd.stop());

    it('goes on when any one member is killed, the leader too', async (test) => {
      const { open, record } = setUp(test, etcd);
      const registry = await open('n1');
      await register(registry, record('n1'));
      let revision = 0;
      for (const member of [0, 1, 2]) {
        await etcd.kill(member);
        // A write needs a leader; one may have to be elected.
        await until('a write is taken', async () => {
          try {
            const next = await registry.nextRevision();
            assert.ok(next > revision);
            revision = next;
            return true;
          } catch (error) {
            assert.ok(error instanceof MeshError && error.code === 'registry-unavailable', String(error));
            return false;
          }
        });
        const before = await registry.getSetting('k');
        const written = await registry.putSetting('k', String(member), before?.revision ?? 0);
        assert.equal(written?.value, String(member), 'one writer always wins over what it has just read');
        await staysListed(registry, ttlMs * 1.2, 'n1');
        await etcd.restart(member);
      }
    });

    it('goes on when the leader moves', async (test) => {
      const { open, record } = setUp(test, etcd);
      const registry = await open('n1');
      await register(registry, record('n1'));
      const first = await etcd.leader();
      assert.notEqual(await etcd.moveLeader(), first);
      await until('a list', () => lists(registry, 'n1'));
      await until('a write', () =>
        registry.nextRevision().then(
          () => true,
          () => false,
        ),
      );
      await staysListed(registry, ttlMs * 1.5, 'n1');
    });

    it('goes on when a member hangs with its connections open', async (test) => {
      const { open, record } = setUp(test, etcd);
      const longerMs = ttlMs * 2;
      const registry = await open('n1', { ttlMs: longerMs });
      await register(registry, record('n1'));
      for (const member of new Set([await etcd.leader(), 0])) {
        etcd.pause(member);
        try {
          await until('a list while one hangs', () => lists(registry, 'n1'));
          await staysListed(registry, longerMs * 1.2, 'n1');
        } finally {
          etcd.resume(member);
        }
        await until('all is well again', async () => (await etcd.leader()) >= 0);
      }
    });

    it('puts the record again after etcd was gone for longer than the lease', async (test) => {
      const { open, record } = setUp(test, etcd);
      const [registry, watcher] = [await open('n1'), await open('watcher')];
      await register(registry, record('n1'));
      let hints = 0;
      watcher.watch(() => (hints += 1), test.signal);
      await until('the watch stands', async () => {
        await register(registry, record('n1'));
        return hints > 0;
      });
      await etcd.kill();
      await sleep(ttlMs * 1.5);
      hints = 0;
      await etcd.restart();
      await until('the record is there', () => lists(watcher, 'n1'));
      await until('a hint after the reconnect', () => hints > 0);
      // Past the time that a lease from before the outage could have been given by a new leader.
      await staysListed(watcher, ttlMs * 2.5, 'n1');
    });

    it('puts the record again after etcd lost its data', async (test) => {
      const { open, record } = setUp(test, etcd);
      const registry = await open('n1');
      await register(registry, record('n1'));
      await etcd.wipe();
      await until('the record is there', () => lists(registry, 'n1'));
      await staysListed(registry, ttlMs * 1.5, 'n1');
    });
  });

  describe('when clients fail or are refused', () => {
    let etcd: TestEtcd;
    before(async () => {
      etcd = await startEtcd({ members: 3, tls: true, auth: true });
    });
    after(() => etcd.stop());

    it('keeps the lease of a process whose event loop is blocked', async (test) => {
      const { open, start, record } = setUp(test, etcd);
      const observer = await open('observer');
      const child = await start('n1');
      await tell(child, { kind: 'register', record: record('n1') });
      const blocked = tell(child, { kind: 'block', ms: ttlMs * 3 });
      await staysListed(observer, ttlMs * 2.8, 'n1');
      await blocked;
      await staysListed(observer, ttlMs / 2, 'n1');
    });

    it('lets go of a process that was stopped, and has it back when it goes on', async (test) => {
      const { open, start, record } = setUp(test, etcd);
      const observer = await open('observer');
      const child = await start('n1');
      await tell(child, { kind: 'register', record: record('n1') });
      await until('it is listed', () => lists(observer, 'n1'));
      child.kill('SIGSTOP');
      await until('its lease is over', () => lists(observer));
      child.kill('SIGCONT');
      await until('it is back by itself', () => lists(observer, 'n1'));
      await staysListed(observer, ttlMs * 1.5, 'n1');
      child.kill('SIGKILL');
      await until('a killed one is gone', () => lists(observer));
    });

    it('leaves nothing behind that keeps the process alive', async (test) => {
      const { start, record } = setUp(test, etcd);
      const child = await start('n1');
      await tell(child, { kind: 'register', record: record('n1') });
      await tell(child, { kind: 'watch' });
      const ended = once(child, 'exit', { signal: AbortSignal.timeout(PATIENCE_MS) });
      await tell(child, { kind: 'close' });
      assert.deepEqual(await ended, [0, null]);
    });

    it('closes without an answer from etcd', async (test) => {
      const { start, record } = setUp(test, etcd);
      const child = await start('n1');
      await tell(child, { kind: 'register', record: record('n1') });
      await tell(child, { kind: 'watch' });
      const ended = once(child, 'exit', { signal: AbortSignal.timeout(PATIENCE_MS) });
      etcd.pause();
      try {
        await tell(child, { kind: 'close' });
        assert.deepEqual(await ended, [0, null]);
      } finally {
        etcd.resume();
      }
      await until('etcd is well again', async () => (await etcd.leader()) >= 0);
    });

    it('says what is wrong when etcd refuses the client', async (test) => {
      const { open } = setUp(test, etcd);
      const wrongPassword = await open('n1', { password: 'wrong' });
      await assert.rejects(wrongPassword.members(), { code: 'registry-refused', message: /password/ });
      const noUser = await openRegistry(etcd.address, {
        federation: 'f',
        node: 'n1',
        ...(etcd.options.tls === undefined ? {} : { tls: etcd.options.tls }),
      });
      test.after(() => noUser.close());
      await assert.rejects(noUser.members(), { code: 'registry-refused' });
      const authority = makeAuthority();
      const stranger = await open('n1', {
        timeoutMs: ttlMs,
        tls: { ca: authority.ca, ...authority.issue('stranger') },
      });
      await assert.rejects(stranger.members(), { code: 'registry-unavailable' });
    });

    it('serves other organisations through two gateways, and survives the loss of one', async (test) => {
      const { open, record } = setUp(test, etcd);
      const authority = makeAuthority();
      const gateway = async () =>
        startRegistryServer({
          listen: '127.0.0.1:0',
          store: await openStore(etcd.address, etcd.options),
          tls: authority.issue('gateway'),
          user: 'partner',
          password: 'sésame',
        });
      const [one, two] = [await gateway(), await gateway()];
      test.after(() => two.close());
      const address = `${one.address},${two.address.replace('https://', '')}`;
      const asPartner = { user: 'partner', password: 'sésame', tls: { ca: authority.ca } };
      const [registry, inside] = [await open('n1', asPartner, address), await open('inside')];
      await register(registry, record('n1'));
      await until('it is listed', () => lists(inside, 'n1'));
      await one.close();
      await staysListed(inside, ttlMs * 1.5, 'n1');
      assert.ok((await registry.nextRevision()) > 0);
      const stranger = await open('n2', { ...asPartner, password: 'wrong' }, address);
      await assert.rejects(stranger.members(), { code: 'registry-refused' });
    });
  });
});
