import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MessageStream } from '@libp2p/interface';
import { yamux } from '@libp2p/yamux';
import { guarded } from '../../../node/net/host.ts';
import { silentLogger } from '../../../node/net/silent-logger.ts';

/** As much of an encrypted connection as a muxer needs. */
class FakeConnection extends EventTarget {
  readonly log = silentLogger.forComponent('');
  readonly direction = 'outbound';
  status = 'open';
  writableNeedsDrain = false;
  writeBufferLength = 0;
  broken = false;
  readonly kept: Uint8Array[] = [];

  send(data: Uint8Array): boolean {
    if (this.broken) throw new Error('broken');
    this.kept.push(data);
    return true;
  }
}

function guardedConnection(): FakeConnection {
  const connection = new FakeConnection();
  guarded(() => yamux({ enableKeepAlive: false })())().createStreamMuxer(
    connection as unknown as MessageStream,
  );
  return connection;
}

test('a connection that keeps what it is given, since it takes no more, gets bytes of its own', () => {
  const connection = guardedConnection();
  const bytes = Buffer.from('before');
  const sendWhile = (state: Partial<FakeConnection>): void => {
    Object.assign(connection, state);
    connection.send(bytes);
  };
  sendWhile({ writableNeedsDrain: true });
  sendWhile({ writableNeedsDrain: false, writeBufferLength: 7 });
  sendWhile({ writeBufferLength: 0 });
  bytes.write('after!');
  assert.deepEqual(
    connection.kept.map((each) => Buffer.from(each).toString()),
    ['before', 'before', 'after!'],
    'where it takes them at once they are not copied',
  );
});

test('a write to a connection that was just given up is lost in silence, another error is not', () => {
  const connection = guardedConnection();
  connection.broken = true;
  assert.throws(() => connection.send(Buffer.from('x')), /broken/);
  connection.status = 'aborted';
  assert.equal(connection.send(Buffer.from('x')), false);
});
