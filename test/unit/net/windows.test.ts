import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConnectionEncrypter, MessageStream, SecuredConnection } from '@libp2p/interface';
import { Handshakes, windowBytes } from '../../../node/net/windows.ts';

const MIB = 1024 * 1024;

test('a window grows with the round trip, within bounds', () => {
  assert.equal(windowBytes(0), MIB / 4);
  assert.equal(windowBytes(5), MIB / 4);
  for (let ms = 6; ms < 100; ms++) assert(windowBytes(ms) > windowBytes(ms - 1));
  assert.equal(windowBytes(10_000), 16 * MIB);
});

test('a window lets 100 MB/s through up to 100 ms', () => {
  for (const ms of [1, 5, 20, 50, 100]) assert(windowBytes(ms + 5) / ms >= 100_000, `${ms} ms`);
});

test('what a handshake took is known of the connection that came of it, by round trips', async () => {
  let now = 1000;
  const handshakes = new Handshakes(() => now);
  const secured = (tookMs: number): Promise<SecuredConnection> => {
    now += tookMs;
    return Promise.resolve({ connection: {} } as SecuredConnection);
  };
  const encrypter = handshakes.time<ConnectionEncrypter>({
    protocol: '/fake',
    secureOutbound: () => secured(30),
    secureInbound: () => secured(50),
  });
  const stream = {} as MessageStream;
  const outbound = await encrypter.secureOutbound(stream);
  const inbound = await encrypter.secureInbound(stream);
  assert.equal(handshakes.roundTripMs(outbound.connection), 30);
  assert.equal(handshakes.roundTripMs(inbound.connection), 25);
  assert.equal(handshakes.roundTripMs(stream), 0, 'nothing is known of another');
});
