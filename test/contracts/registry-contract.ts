// What every registry promises, run against each implementation. A harness stands for one registry with its data; each
// test has a federation of its own, so that one registry serves them all. Waiting is by asking again, with a deadline far
// above what any machine needs; nothing is asserted about how fast something is.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { MeshError } from '../../node/core/errors.ts';
import type { ErrorCode } from '../../node/core/errors.ts';
import type { MemberRecord, Registry } from '../../node/core/ports.ts';

export interface OpenOptions {
  readonly federation: string;
  readonly node: string;
  readonly ttlMs: number;
  readonly timeoutMs: number;
}

export interface RegistryHarness {
  /** The shortest lease that this registry takes, ms. */
  readonly ttlMs: number;
  open(options: OpenOptions): Promise<Registry>;
  /** The registry stops answering, as if its process had ended, and comes back with its data. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Lets that much time go by, virtual or real. */
  pass(ms: number): Promise<void>;
  close(): Promise<void>;
}

const deadlineMs = 60_000;

/** Asks until the answer is yes. */
async function eventually(
  harness: RegistryHarness,
  what: string,
  ask: () => Promise<boolean> | boolean,
): Promise<void> {
  const stepMs = 50;
  const giveUp = performance.now() + deadlineMs;
  for (let waitedMs = 0; waitedMs < deadlineMs && performance.now() < giveUp; waitedMs += stepMs) {
    if (await ask()) return;
    await harness.pass(stepMs);
  }
  assert.fail(`waited in vain: ${what}`);
}

function record(federation: string, node: string, changes: Partial<MemberRecord> = {}): MemberRecord {
  return {
    federation,
    cluster: 'lab',
    node,
    incarnation: 1,
    addresses: ['/ip4/127.0.0.1/tcp/7401'],
    http: 'http://127.0.0.1:7400',
    labels: {},
    version: '0.1.0',
    signature: 'c2ln',
    ...changes,
  };
}

async function nodesOf(registry: Registry): Promise<string[]> {
  return (await registry.members()).members.map(({ node }) => node).sort();
}

/** Asks the members while the registry may be away. */
async function lists(registry: Registry, ...nodes: string[]): Promise<boolean> {
  try {
    return (await nodesOf(registry)).join() === [...nodes].sort().join();
  } catch (error) {
    if (error instanceof MeshError && error.code === 'registry-unavailable') return false;
    throw error;
  }
}

function rejectsWith(code: ErrorCode, work: Promise<unknown>): Promise<void> {
  return assert.rejects(work, (error: unknown) => {
    assert.ok(error instanceof MeshError, `a MeshError, not ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return true;
  });
}

export function registryContract(name: string, makeHarness: () => Promise<RegistryHarness>): void {
  describe(`registry contract: ${name}`, () => {
    let harness: RegistryHarness;
    before(async () => {
      harness = await makeHarness();
    });
    after(() => harness.close());

    /** Opens clients in a fresh federation and closes them after the test. */
    async function withClients(
      run: (
        open: (node: string, changes?: Partial<OpenOptions>) => Promise<Registry>,
        federation: string,
      ) => Promise<void>,
    ): Promise<void> {
      const federation = `f-${randomUUID()}`;
      const opened: Registry[] = [];
      const open = async (node: string, changes: Partial<OpenOptions> = {}) => {
        const options = { federation, node, ttlMs: harness.ttlMs, timeoutMs: 5000, ...changes };
        const registry = await harness.open(options);
        opened.push(registry);
        return registry;
      };
      try {
        await run(open, federation);
      } finally {
        await Promise.all(opened.map((registry) => registry.close()));
      }
    }

    it('lists what was registered, field by field, whatever the text', () =>
      withClients(async (open, federation) => {
        const registry = await open('n1');
        const rich = record(federation, 'n1', {
          incarnation: Number.MAX_SAFE_INTEGER,
          addresses: ['/ip4/10.0.0.1/tcp/7401', '/dns4/a.example/tcp/7401'],
          labels: {
            'zone/ä': 'Zürich 🦀',
            日本語: '"\\\n\u0000\u2028',
            '': '',
            constructor: 'x',
            half: '\ud800',
          },
        });
        await registry.register(rich);
        assert.deepEqual((await registry.members()).members, [rich]);
      }));

    it('replaces the record of the same node', () =>
      withClients(async (open, federation) => {
        const [one, two] = [await open('n1'), await open('n2')];
        await one.register(record(federation, 'n1'));
        await two.register(record(federation, 'n2'));
        const before = await two.members();
        await one.register(record(federation, 'n1', { http: 'http://elsewhere:7400' }));
        const now = await two.members();
        assert.deepEqual(Object.fromEntries(now.members.map(({ node, http }) => [node, http])), {
          n1: 'http://elsewhere:7400',
          n2: 'http://127.0.0.1:7400',
        });
        assert.ok(now.revision > before.revision, 'a change moves the revision');
      }));

    it('keeps a record for as long as its client lives', () =>
      withClients(async (open, federation) => {
        const registry = await open('n1');
        await registry.register(record(federation, 'n1'));
        for (let part = 0; part < 12; part += 1) {
          await harness.pass(harness.ttlMs / 4);
          assert.deepEqual(await nodesOf(registry), ['n1']);
        }
      }));

    it('gives each caller a greater number than any before', () =>
      withClients(async (open) => {
        const [one, two] = [await open('n1'), await open('n2')];
        let last = 0;
        for (const registry of [one, two, one, one, two]) {
          const revision = await registry.nextRevision();
          assert.ok(
            Number.isSafeInteger(revision) && revision > last,
            `${String(revision)} after ${String(last)}`,
          );
          last = revision;
        }
        const together = await Promise.all(
          [one, two, one, two, one].map((registry) => registry.nextRevision()),
        );
        assert.equal(new Set(together).size, together.length);
        assert.ok(together.every((revision) => revision > last));
        last = Math.max(...together);
        await harness.stop();
        await harness.start();
        const third = await open('n3');
        await eventually(harness, 'the registry answers again', () =>
          third.nextRevision().then(
            (next) => next > last,
            () => false,
          ),
        );
      }));

    it('hints when somebody joins, leaves and expires, and not after the signal', () =>
      withClients(async (open, federation) => {
        const watcher = await open('watcher');
        const stop = new AbortController();
        let hints = 0;
        watcher.watch(() => (hints += 1), stop.signal);
        // What a hint leads to: a list. A hint may come early or twice, so the list tells.
        const seen = async (what: string, ...nodes: string[]) => {
          let asked = -1;
          await eventually(harness, what, async () => {
            if (asked === hints) return false;
            asked = hints;
            return lists(watcher, ...nodes);
          });
        };
        const [one, two] = [await open('n1'), await open('n2')];
        await one.register(record(federation, 'n1'));
        await seen('a hint of a join', 'n1');
        await two.register(record(federation, 'n2'));
        await seen('a hint of another join', 'n1', 'n2');
        await two.deregister();
        await seen('a hint of a leave', 'n1');
        await one.close();
        await seen('a hint of an expiry');
        stop.abort();
        const last = hints;
        await two.register(record(federation, 'n2'));
        await harness.pass(harness.ttlMs / 4);
        assert.equal(hints, last);
      }));

    it('lets go of a client that died when its lease is over, and of no other', () =>
      withClients(async (open, federation) => {
        const [dies, lives] = [await open('dies'), await open('lives')];
        await dies.register(record(federation, 'dies'));
        await lives.register(record(federation, 'lives'));
        await dies.close();
        assert.deepEqual(await nodesOf(lives), ['dies', 'lives'], 'closing deregisters nothing');
        await eventually(harness, 'the dead one is gone', () => lists(lives, 'lives'));
      }));

    it('deregisters at once, for good, and registers again when asked', () =>
      withClients(async (open, federation) => {
        const registry = await open('n1');
        await registry.register(record(federation, 'n1'));
        await registry.deregister();
        assert.deepEqual(await nodesOf(registry), []);
        for (let part = 0; part < 6; part += 1) {
          await harness.pass(harness.ttlMs / 4);
          assert.deepEqual(await nodesOf(registry), []);
        }
        await registry.register(record(federation, 'n1'));
        assert.deepEqual(await nodesOf(registry), ['n1']);
      }));

    it('ends as the last call says when calls overlap', () =>
      withClients(async (open, federation) => {
        const registry = await open('n1');
        await Promise.all([registry.register(record(federation, 'n1')), registry.deregister()]);
        assert.deepEqual(await nodesOf(registry), []);
        await Promise.all([
          registry.register(record(federation, 'n1', { version: 'a' })),
          registry.deregister(),
          registry.register(record(federation, 'n1', { version: 'b' })),
        ]);
        assert.deepEqual(
          (await registry.members()).members.map(({ version }) => version),
          ['b'],
        );
      }));

    it('deregisters what was never registered without complaint', () =>
      withClients(async (open) => {
        const registry = await open('n1');
        await registry.deregister();
        await registry.deregister();
        assert.deepEqual(await nodesOf(registry), []);
      }));

    it('puts a record again that was taken away while its lease lived', () =>
      withClients(async (open, federation) => {
        const [registry, saboteur] = [await open('n1'), await open('n1')];
        await registry.register(record(federation, 'n1'));
        const { revision } = await registry.members();
        await saboteur.deregister();
        // it may be back before anybody has looked: going and coming are a revision each
        await eventually(
          harness,
          'the record is back',
          async () => (await registry.members()).revision >= revision + 2 && (await lists(registry, 'n1')),
        );
      }));

    it('does not let an older process of a node push out a newer one', () =>
      withClients(async (open, federation) => {
        const [old, young] = [await open('n1'), await open('n1')];
        await old.register(record(federation, 'n1', { incarnation: 1 }));
        await young.register(record(federation, 'n1', { incarnation: 2 }));
        for (let part = 0; part < 6; part += 1) {
          await harness.pass(harness.ttlMs / 4);
          assert.deepEqual(
            (await old.members()).members.map(({ incarnation }) => incarnation),
            [2],
          );
        }
        await old.deregister();
        assert.deepEqual(await nodesOf(young), ['n1'], 'a deregistration takes away its own record only');
      }));

    it('writes a setting only over the revision that was read', () =>
      withClients(async (open) => {
        const registry = await open('n1');
        assert.equal(await registry.getSetting('k'), undefined);
        assert.equal(await registry.putSetting('k', 'x', 7), undefined);
        const first = await registry.putSetting('k', 'one', 0);
        assert.ok(first !== undefined && first.revision > 0);
        assert.deepEqual(await registry.getSetting('k'), {
          key: 'k',
          value: 'one',
          revision: first.revision,
        });
        assert.equal(await registry.putSetting('k', 'again', 0), undefined);
        const second = await registry.putSetting('k', 'two', first.revision);
        assert.ok(second !== undefined && second.revision > first.revision);
        assert.equal(await registry.putSetting('k', 'late', first.revision), undefined);
        assert.deepEqual(await registry.getSetting('k'), second);
        assert.equal(await registry.deleteSetting('k', first.revision), false);
        assert.equal(await registry.deleteSetting('k', 0), false);
        assert.equal(await registry.deleteSetting('k', second.revision), true);
        assert.equal(await registry.deleteSetting('k', second.revision), false);
        assert.equal(await registry.getSetting('k'), undefined);
        const third = await registry.putSetting('k', '', 0);
        assert.ok(
          third !== undefined && third.revision > second.revision,
          'a key made anew goes on counting',
        );
        assert.deepEqual(await registry.getSetting('k'), third);
      }));

    it('has exactly one winner when many write over the same revision', () =>
      withClients(async (open) => {
        const clients = await Promise.all(['n1', 'n2', 'n3', 'n4'].map((node) => open(node)));
        let revision = 0;
        for (let round = 0; round < 5; round += 1) {
          const writes = clients.flatMap((client, at) =>
            [0, 1, 2].map((copy) =>
              client.putSetting('k', `${String(round)}-${String(at)}-${String(copy)}`, revision),
            ),
          );
          const won = (await Promise.all(writes)).filter((setting) => setting !== undefined);
          assert.equal(won.length, 1);
          assert.deepEqual(await clients[0]?.getSetting('k'), won[0]);
          revision = won[0]?.revision ?? 0;
        }
        const deletions = await Promise.all(clients.map((client) => client.deleteSetting('k', revision)));
        assert.equal(deletions.filter(Boolean).length, 1);
      }));

    it('lists settings by prefix, in order of their keys', () =>
      withClients(async (open) => {
        const registry = await open('n1');
        const keys = [
          'acl/b',
          'acl/a',
          'acl',
          'acl/ä?&=%2F#',
          'aclx',
          'acl/../.',
          'b',
          '.',
          '..',
          'acl/🦀',
          'acl/\uffff',
        ];
        for (const key of keys) assert.ok(await registry.putSetting(key, `value of ${key}`, 0), key);
        const under = (await registry.listSettings('acl/')).map(({ key }) => key);
        assert.deepEqual(under, ['acl/../.', 'acl/a', 'acl/b', 'acl/ä?&=%2F#', 'acl/\uffff', 'acl/🦀']);
        const all = await registry.listSettings('');
        assert.deepEqual(all.map(({ key }) => key).sort(), [...keys].sort());
        for (const setting of all) {
          assert.equal(setting.value, `value of ${setting.key}`);
          assert.deepEqual(await registry.getSetting(setting.key), setting);
        }
        assert.deepEqual(await registry.listSettings('nothing'), []);
      }));

    it('lists more settings than fit one page', () =>
      withClients(async (open) => {
        const registry = await open('n1');
        const keys = Array.from({ length: 300 }, (_, at) => `k${String(at).padStart(3, '0')}`);
        await Promise.all(keys.map((key) => registry.putSetting(key, key, 0)));
        assert.deepEqual(
          (await registry.listSettings('k')).map(({ key }) => key),
          keys,
        );
      }));

    it('refuses what some implementation could not keep', () =>
      withClients(async (open, federation) => {
        const registry = await open('n1');
        await rejectsWith('invalid-request', registry.putSetting('', 'x', 0));
        await rejectsWith('invalid-request', registry.putSetting('k'.repeat(513), 'x', 0));
        await rejectsWith('invalid-request', registry.putSetting('k', 'x'.repeat(64 * 1024 + 1), 0));
        await rejectsWith('invalid-request', registry.putSetting('k', '\udc00', 0));
        await rejectsWith('invalid-request', registry.putSetting('k', 'x', -1));
        await rejectsWith('invalid-request', registry.putSetting('k', 'x', 1.5));
        await rejectsWith(
          'invalid-request',
          registry.register(record(federation, 'n1', { version: 'v'.repeat(257) })),
        );
        const labels = Object.fromEntries(
          Array.from({ length: 4000 }, (_, at) => [`label-${String(at)}`, 'value']),
        );
        await rejectsWith('invalid-request', registry.register(record(federation, 'n1', { labels })));
        assert.ok(
          await registry.putSetting('k'.repeat(512), '\u0000'.repeat(64 * 1024), 0),
          'the largest is taken',
        );
      }));

    it('keeps federations apart', () =>
      withClients(async (open, federation) => {
        const other = `${federation}.x`;
        const here = await open('n1');
        const there = await open('n1', { federation: other });
        await here.register(record(federation, 'n1'));
        await here.putSetting('k', 'here', 0);
        assert.deepEqual(await nodesOf(there), []);
        assert.equal(await there.getSetting('k'), undefined);
        assert.deepEqual(await there.listSettings(''), []);
        await there.register(record(other, 'n1', { version: 'there' }));
        await here.deregister();
        assert.deepEqual(
          (await there.members()).members.map(({ version }) => version),
          ['there'],
        );
      }));

    it('says so when the registry is down, and goes on by itself when it is back', () =>
      withClients(async (open, federation) => {
        const registry = await open('n1', { timeoutMs: 1000 });
        await registry.register(record(federation, 'n1'));
        const setting = await registry.putSetting('k', 'kept', 0);
        const stop = new AbortController();
        let hints = 0;
        registry.watch(() => (hints += 1), stop.signal);
        await eventually(harness, 'the watch stands', async () => {
          await registry.register(record(federation, 'n1'));
          return hints > 0;
        });
        await harness.stop();
        const late = await open('late', { timeoutMs: 1000 });
        const calls = [
          registry.members(),
          registry.nextRevision(),
          registry.getSetting('k'),
          registry.listSettings(''),
          registry.putSetting('k2', 'x', 0),
          registry.deleteSetting('k', 1),
          registry.register(record(federation, 'n1', { version: 'while down' })),
          late.register(record(federation, 'late')),
        ];
        await Promise.all(calls.map((call) => rejectsWith('registry-unavailable', call)));
        await harness.pass(harness.ttlMs * 1.5);
        hints = 0;
        await harness.start();
        await eventually(harness, 'a hint after the reconnect', () => hints > 0);
        await eventually(harness, 'both records are there', () => lists(registry, 'n1', 'late'));
        await eventually(harness, 'the last record is the one that was asked for', async () =>
          (await registry.members()).members.some(({ version }) => version === 'while down'),
        );
        assert.deepEqual(await registry.getSetting('k'), setting);
        for (let part = 0; part < 6; part += 1) {
          await harness.pass(harness.ttlMs / 4);
          assert.deepEqual(await nodesOf(registry), ['late', 'n1']);
        }
        stop.abort();
      }));

    it('stays deregistered when the registry was down at the time', () =>
      withClients(async (open, federation) => {
        const registry = await open('n1', { timeoutMs: 1000 });
        await registry.register(record(federation, 'n1'));
        await harness.stop();
        await rejectsWith('registry-unavailable', registry.deregister());
        await harness.start();
        await eventually(harness, 'the lease is over', () => lists(registry));
        await harness.pass(harness.ttlMs);
        assert.ok(await lists(registry));
      }));

    it('answers nothing after it was closed', () =>
      withClients(async (open, federation) => {
        const registry = await open('n1');
        await registry.members();
        await registry.close();
        await registry.close();
        await rejectsWith('shutting-down', registry.members());
        await rejectsWith('shutting-down', registry.register(record(federation, 'n1')));
        await rejectsWith('shutting-down', registry.putSetting('k', 'v', 0));
        registry.watch(() => assert.fail('a hint after close'), new AbortController().signal);
      }));
  });
}
