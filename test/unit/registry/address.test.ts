import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MeshError } from '../../../node/core/errors.ts';
import { parseRegistryAddress } from '../../../registry/address.ts';
import { openRegistry } from '../../../registry/open.ts';

describe('a registry address', () => {
  it('names its kind, its security and its endpoints', () => {
    const cases: readonly [string, string, boolean, readonly string[]][] = [
      ['etcd://h1:2379,h2:2380', 'etcd', false, ['h1:2379', 'h2:2380']],
      ['etcd://h1', 'etcd', false, ['h1:2379']],
      [
        'etcds://10.0.0.1:1,[::1]:2379,[fe80::1]',
        'etcd',
        true,
        ['10.0.0.1:1', '[::1]:2379', '[fe80::1]:2379'],
      ],
      ['http://localhost', 'http', false, ['localhost:7420']],
      [' HTTPS://Registry.Example:443/ ', 'http', true, ['registry.example:443']],
      ['http://a:1, b:2', 'http', false, ['a:1', 'b:2']],
    ];
    for (const [text, kind, secure, endpoints] of cases) {
      const { text: logged, ...address } = parseRegistryAddress(text);
      assert.deepEqual(address, { kind, secure, endpoints });
      assert.deepEqual(
        parseRegistryAddress(logged),
        { ...address, text: logged },
        'what is logged reads the same',
      );
    }
  });

  it('is refused with what is wrong and how to mend it', () => {
    const cases: readonly [string, RegExp][] = [
      ['', /scheme.*etcd:\/\/host:2379/],
      ['localhost:2379', /scheme/],
      ['zookeeper://h:1', /scheme/],
      ['constructor://h:1', /scheme/],
      ['etcd://', /empty host/],
      ['etcd://a,,b', /empty host/],
      ['etcd://a:2379/path', /path/],
      ['http://a:7420?x=1', /query/],
      ['etcd://a:0', /port 0/],
      ['etcd://a:65536', /65536/],
      ['etcd://a:b', /host and port in "a:b"/],
      ['etcd://::1:2379', /IPv6/],
      ['etcd://a:1,http://b:2', /scheme/],
      ['etcd://a:1,A:1', /a:1 twice/],
      ['etcd://a b:1', /spaces/],
      [`etcd://${Array.from({ length: 33 }, (_, at) => `h${String(at)}`).join()}`, /32/],
    ];
    for (const [text, message] of cases) {
      assert.throws(() => parseRegistryAddress(text), { code: 'invalid-config', message }, text);
    }
  });

  it('never shows a password', () => {
    assert.throws(
      () => parseRegistryAddress('etcd://root:hunter2@a:2379'),
      (error: unknown) =>
        error instanceof MeshError && error.code === 'invalid-config' && !/hunter2/.test(error.message),
    );
  });
});

describe('opening a registry', () => {
  const options = { federation: 'acme', node: 'n1' };

  it('refuses what can never work', async () => {
    const cert = Buffer.from('');
    const cases: readonly [string, object, RegExp][] = [
      ['nonsense', {}, /address/],
      ['etcd://a', { federation: 'a/b' }, /"a\/b"/],
      ['etcd://a', { federation: '..' }, /federation/],
      ['etcd://a', { federation: '' }, /federation/],
      ['etcd://a', { ttlMs: 999 }, /1000/],
      ['etcd://a', { ttlMs: Number.NaN }, /lease/],
      ['etcd://a', { password: 'secret' }, /user/],
      ['etcd://a', { tls: {} }, /etcds/],
      ['http://a', { tls: {} }, /https/],
      ['etcds://a', { tls: { cert } }, /key/],
    ];
    for (const [address, changes, message] of cases) {
      await assert.rejects(openRegistry(address, { ...options, ...changes }), {
        code: 'invalid-config',
        message,
      });
    }
  });

  it('works while nobody answers, and the first call says so', async (test) => {
    // Port 9 is `discard`; nothing listens there.
    for (const address of ['etcd://127.0.0.1:9', 'http://127.0.0.1:9', 'http://127.0.0.1:9,localhost:9']) {
      const registry = await openRegistry(address, { ...options, timeoutMs: 500 });
      test.after(() => registry.close());
      assert.equal(registry.address, address);
      await assert.rejects(registry.members(), { code: 'registry-unavailable' });
      await assert.rejects(registry.putSetting('k', 'v', 0), { code: 'registry-unavailable' });
    }
  });
});
