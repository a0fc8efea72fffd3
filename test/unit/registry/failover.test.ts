import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EndpointPicker } from '../../../registry/failover.ts';
import { VirtualTime } from '../../contracts/registry-virtual-time.ts';

function picker(time: VirtualTime, endpoints: readonly string[] = ['a', 'b', 'c']) {
  return new EndpointPicker({
    endpoints,
    timeoutMs: 3000,
    scheduler: time,
    signal: new AbortController().signal,
  });
}

describe('picking an endpoint', () => {
  it('stays with the one that answered', async () => {
    const subject = picker(new VirtualTime());
    const asked: string[] = [];
    const call = () =>
      subject.call(
        (endpoint) => {
          asked.push(endpoint);
          return endpoint === 'a' ? Promise.reject(new Error('dead')) : Promise.resolve(endpoint);
        },
        () => true,
      );
    assert.equal(await call(), 'b');
    assert.equal(await call(), 'b');
    assert.deepEqual(asked, ['a', 'b', 'b']);
  });

  it('leaves time for the others when one hangs', async () => {
    const time = new VirtualTime();
    const subject = picker(time);
    const given: number[] = [];
    await subject.call(
      async (endpoint, ms) => {
        given.push(ms);
        if (endpoint === 'c') return;
        await time.pass(ms);
        throw new Error('hangs');
      },
      () => true,
    );
    assert.deepEqual(given, [1000, 1000, 1000]);
  });

  it('gives up after two rounds with the last error', async () => {
    const time = new VirtualTime();
    const subject = picker(time);
    let asked = 0;
    const call = subject.call(
      () => Promise.reject(new Error(`failure ${String((asked += 1))}`)),
      () => true,
    );
    const failed = assert.rejects(call, { message: 'failure 6' });
    await time.pass(1000);
    await failed;
  });

  it('does not ask another where that cannot help', async () => {
    let asked = 0;
    const call = picker(new VirtualTime()).call(
      () => Promise.reject(new Error(`failure ${String((asked += 1))}`)),
      () => false,
    );
    await assert.rejects(call, { message: 'failure 1' });
  });
});
