// Connections that misbehave, against real meshers and a real registry: each kind is bounded, refused in words or closed, leaves
// nothing behind, and while it lasts an honest client publishes in one cluster and is delivered to in the other.

import assert from 'node:assert/strict';
import { after, before, suite, test, type TestContext } from 'node:test';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { WebSocket } from 'ws';
import { encodeOpen } from '../../bridge/ws/frames/client-frames.ts';
import { closeAll, holdings, openMany, whenClosed } from '../support/bad-connections.ts';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;
const MANY = 1_000;
const PUBLISH = 'POST /v1/events?topic=bad/x HTTP/1.1\r\nHost: x\r\n';
const EVENT_HEADERS = 'ce-specversion: 1.0\r\nce-id: 1\r\nce-source: /bad\r\nce-type: t\r\n';

const NOISE = Buffer.from('\x13/multistream/1.0.0\n\x07/noise\n');
const LINK_SAYS = [
  Buffer.alloc(0),
  Buffer.alloc(4_096, 0xff),
  Buffer.of(0x16, 3, 1, 0, 0xa5, 1),
  NOISE,
  Buffer.concat([NOISE, Buffer.alloc(8_192, 0xff)]),
];
/** The first two are no fault; the others are ended by the server. */
const REGISTRY_SAYS = [
  '',
  'GET /v1/federations/acme/watch HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /v1/federations/acme/members HTTP/1.1\r\nHost: x\r\nX-Slow: ',
  'PUT /v1/federations/acme/setting HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500000\r\n\r\n{',
  '\x16\x03\x01\x00\xa5\x01',
];

suite('connections that misbehave', () => {
  let federation: Federation;
  let a: RunningMesher;
  let b: RunningMesher;
  let honestEvents = 0;
  const ends: (() => Promise<void>)[] = [];

  before(async () => {
    federation = await Federation.start({ after: (end) => ends.push(end) }, { clusters: { a: 1, b: 1 } });
    [a, b] = [federation.mesher('a'), federation.mesher('b')];
    await b.putSubscription('honest', { topic: 'honest' });
    await federation.whenRouted(a, 'honest', ['b']);
  });

  after(async () => {
    for (const end of ends) await end();
  });

  /** Publishes in one cluster, takes and settles in the other. */
  const honestClientWorks = async (): Promise<void> => {
    const id = `${++honestEvents}`;
    const headers = { 'ce-specversion': '1.0', 'ce-id': id, 'ce-source': '/honest', 'ce-type': 't' };
    await until('an honest publish is taken', async () => {
      const response = await fetch(`${a.http}/v1/events?topic=honest`, {
        method: 'POST',
        headers,
        body: 'x',
      });
      await response.arrayBuffer();
      return response.status === 202;
    });
    await until('it is delivered', async () => {
      const post = { method: 'POST', headers: { 'content-type': 'application/json' } };
      const pull = await fetch(`${b.http}/v1/subscriptions/honest/pull`, {
        ...post,
        body: '{"waitMs":1000}',
      });
      const { events } = (await pull.json()) as { events: { event: { id: string }; token: string }[] };
      const ack = events.map(({ token }) => token);
      await fetch(`${b.http}/v1/subscriptions/honest/settle`, { ...post, body: JSON.stringify({ ack }) });
      return events.some(({ event }) => event.id === id);
    });
  };

  /** Files are back to what they were when all is over, and memory never grew beyond `memoryMax`. */
  const bounded = async (
    t: TestContext,
    program: { readonly pid: number | undefined },
    memoryMax: number,
    attack: () => Promise<void>,
  ): Promise<void> => {
    const pid = program.pid ?? 0;
    await honestClientWorks();
    const start = holdings(pid);
    let most = start;
    const watch = setInterval(() => {
      const now = holdings(pid);
      most = {
        files: Math.max(most.files, now.files),
        memoryBytes: Math.max(most.memoryBytes, now.memoryBytes),
      };
    }, 50);
    try {
      await attack();
      await honestClientWorks();
    } finally {
      clearInterval(watch);
    }
    const grown = most.memoryBytes - start.memoryBytes;
    t.diagnostic(
      `${most.files - start.files} more files, ${(grown / MIB).toFixed(0)} MiB more memory at most`,
    );
    assert(grown < memoryMax, `${grown} bytes more memory, at most ${memoryMax}`);
    // A few of its own come and go: a keep-alive connection, a file of the database.
    await until(
      () => `its files are closed: ${holdings(pid).files}, before ${start.files}`,
      () => holdings(pid).files <= start.files + 16,
    );
  };

  test('bodies that never come make room for those that do', async (t) => {
    await bounded(t, a.program, 200 * MIB, async () => {
      const head = `${PUBLISH}${EVENT_HEADERS}Content-Length: ${MIB}\r\n\r\n`;
      const slow = await openMany(t, a.http, 200, () => `${head}begun`);
      // What is announced is more than all bodies together may be, so that some were refused at once.
      await until('some are refused', () => slow.some(({ answer }) => answer.startsWith('HTTP/1.1 503 ')));
      await honestClientWorks();
      assert(
        slow.some(({ isClosed }) => !isClosed),
        'and some were still waited for',
      );
      await closeAll(slow);
    });
  });

  test('a thousand that say nothing, and a thousand that are half closed', async (t) => {
    await bounded(t, a.program, 200 * MIB, async () => {
      const silent = await openMany(t, a.http, MANY);
      const half = await openMany(t, a.http, MANY, () => 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
      await until('all are answered', () => half.every(({ answer }) => answer.startsWith('HTTP/1.1 200 ')));
      for (const { socket } of half) socket.end();
      await whenClosed('half closed', half);
      await honestClientWorks();
      await closeAll(silent);
    });
  });

  test('a thousand consumers that never read, by SSE and by WebSocket', async (t) => {
    // A megabyte for each of them waits in its socket, and no more.
    await bounded(t, a.program, (MANY + 200) * MIB, async () => {
      const sse = 'GET /v1/stream?topic=flood HTTP/1.1\r\nHost: x\r\n\r\n';
      const readers = await openMany(t, a.http, MANY / 2, () => sse, { reads: false });
      const open = encodeOpen({
        stream: 1,
        source: 'ephemeral',
        credit: 1_000_000,
        subject: 'flood',
        group: '',
      });
      const upgrade = `GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${'A'.repeat(22)}==\r\nSec-WebSocket-Protocol: causeway.v1\r\n\r\n`;
      const frame = Buffer.concat([Buffer.of(0x82, 0x80 | open.length, 0, 0, 0, 0), open]); // masked with zeros
      const sockets = await openMany(
        t,
        a.http,
        MANY / 2,
        () => Buffer.concat([Buffer.from(upgrade), frame]),
        { reads: false },
      );
      await until('all are attached', async () => (await consumersOf(a, 'flood')) === MANY, { everyMs: 200 });
      for (let i = 0; i < 40; i++) {
        await fetch(`${a.http}/v1/events?topic=flood`, {
          method: 'POST',
          headers: {
            'ce-specversion': '1.0',
            'ce-id': `${i}`,
            'ce-source': '/f',
            'ce-type': 't',
            'causeway-qos': 'best-effort',
          },
          body: Buffer.alloc(64 * 1024, i),
        });
      }
      await honestClientWorks();
      await closeAll([...readers, ...sockets]);
    });
  });

  test('forty consumers that never read, of large events', async (t) => {
    await bounded(t, a.program, 600 * MIB, async () => {
      const sse = 'GET /v1/stream?topic=large HTTP/1.1\r\nHost: x\r\n\r\n';
      const readers = await openMany(t, a.http, 40, () => sse, { reads: false });
      await until('all are attached', async () => (await consumersOf(a, 'large')) === 40);
      for (let i = 0; i < 60; i++) {
        await fetch(`${a.http}/v1/events?topic=large`, {
          method: 'POST',
          headers: {
            'ce-specversion': '1.0',
            'ce-id': `${i}`,
            'ce-source': '/f',
            'ce-type': 't',
            'causeway-qos': 'best-effort',
          },
          body: Buffer.alloc(1_000_000, i),
        });
      }
      assert(
        (await a.metric('causeway_events_dropped_total', { reason: 'slow-subscriber' })) > 0,
        'the oldest are dropped',
      );
      await closeAll(readers);
    });
  });

  test('a compressed bomb by WebSocket', async (t) => {
    await bounded(t, a.program, 200 * MIB, async () => {
      const url = `${a.http.replace('http', 'ws')}/v1/ws`;
      // A bomb: no extension was agreed on, so that a compressed frame is no frame at all.
      const bomb = new WebSocket(url, ['causeway.v1'], { perMessageDeflate: true });
      t.after(() => bomb.terminate());
      let bombClosed = 0;
      bomb.on('error', () => undefined).on('close', (code) => (bombClosed = code));
      await until('it is open', () => bomb.readyState === bomb.OPEN);
      assert.equal(bomb.extensions, '', 'compression is not agreed on');
      const raw = (bomb as unknown as { readonly _socket: import('node:net').Socket })._socket;
      const zeros = deflateRawSync(Buffer.alloc(64 * MIB));
      // The last of a message, compressed, binary; masked with zeros.
      raw.write(Buffer.concat([Buffer.of(0xc2, 0x80 | 127), lengthOf(zeros.length), Buffer.alloc(4), zeros]));
      await until('the bomb is refused', () => bombClosed !== 0);
      assert.equal(bombClosed, 1002);
    });
  });

  test('bombs, floods and depths by HTTP: refused in words', async (t) => {
    await bounded(t, a.program, 250 * MIB, async () => {
      const gzip = gzipSync(Buffer.alloc(256 * MIB));
      const compressed = await fetch(`${a.http}/v1/events`, {
        method: 'POST',
        headers: { 'content-type': 'application/cloudevents+json', 'content-encoding': 'gzip' },
        body: gzip,
      });
      assert.equal(compressed.status, 415, await compressed.text());
      const deep = '['.repeat(500_000) + ']'.repeat(500_000);
      for (const [path, type, method] of [
        ['/v1/events', 'application/cloudevents+json', 'POST'],
        ['/v1/subscriptions/deep', 'application/json', 'PUT'],
        ['/v1/subscriptions/honest/settle', 'application/json', 'POST'],
      ] as const) {
        const response = await fetch(a.http + path, {
          method,
          headers: { 'content-type': type },
          body: deep,
        });
        assert.equal(response.status, 400, `${path}: ${await response.text()}`);
      }
      const [flood] = await openMany(
        t,
        a.http,
        1,
        () => `GET /healthz HTTP/1.1\r\nHost: x\r\n${'X-Flood: x\r\n'.repeat(10_000)}\r\n`,
      );
      await until(
        'the flood of headers is refused',
        () => flood?.answer.startsWith('HTTP/1.1 431 ') === true,
      );
    });
  });

  test('ten thousand small requests in one go, on each of ten connections', async (t) => {
    const each = 10_000;
    await bounded(t, a.program, 300 * MIB, async () => {
      const pipelined = await openMany(t, a.http, 10, () =>
        'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(each),
      );
      await honestClientWorks();
      const answers = (): number =>
        pipelined.reduce((sum, { answer }) => sum + answer.split('HTTP/1.1 200 ').length - 1, 0);
      await until(
        () => `all are answered: ${answers()}`,
        () => answers() === 10 * each,
        { everyMs: 500, progress: answers },
      );
      await closeAll(pipelined);
    });
  });

  // What only time ends, ended together.
  test('slow headers, garbage at links, and a flood of the registry, all at once', async (t) => {
    const registry = federation.registry ?? assert.fail('an embedded registry');
    const attack = async (): Promise<void> => {
      const [slow, atLinks, atRegistry] = await Promise.all([
        slowHeaders(t),
        floodOfLinks(t),
        floodOfRegistry(t),
      ]);
      const trickle = setInterval(() => slow.forEach(({ socket }) => socket.write('a')), 500);
      t.after(() => clearInterval(trickle));
      await honestClientWorks();
      assert.equal((await federation.registered()).length, 2, 'the registry answers meanwhile');
      const ended = atRegistry.filter((_, i) => i % REGISTRY_SAYS.length >= 2);
      await Promise.all([
        whenClosed('slow headers', slow),
        whenClosed('at links', atLinks),
        whenClosed('slow requests and garbage at the registry', ended),
      ]);
      clearInterval(trickle);
      const refused = slow.filter(({ answer }) => answer.startsWith('HTTP/1.1 408 ')).length;
      assert.equal(refused, MANY, 'each is told');
      assert.equal(
        (await a.links()).links.filter(({ state }) => state === 'up').length,
        1,
        'the honest link stands',
      );
      await closeAll(atRegistry);
    };
    await bounded(t, a.program, 250 * MIB, () => bounded(t, registry, 250 * MIB, attack));
  });

  const slowHeaders = (t: TestContext) =>
    openMany(t, a.http, MANY, () => 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ');

  const floodOfLinks = async (t: TestContext) => {
    const port = (await linkAddress(a)).replace(/^\/ip4\/([\d.]+)\/tcp\/(\d+)$/, 'http://$1:$2');
    return openMany(t, port, MANY, (i) => LINK_SAYS[i % LINK_SAYS.length] ?? '');
  };

  const floodOfRegistry = (t: TestContext) =>
    openMany(t, federation.registryAddress, MANY, (i) => REGISTRY_SAYS[i % REGISTRY_SAYS.length] ?? '');
});

/** Ephemeral ones, as the dry run of a publish tells them. */
async function consumersOf(mesher: RunningMesher, topic: string): Promise<number> {
  const text = await (await fetch(`${mesher.http}/v1/routes?topic=${topic}`)).text();
  return text.split('"session-').length - 1;
}

function lengthOf(bytes: number): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(bytes));
  return length;
}

async function linkAddress(mesher: RunningMesher): Promise<string> {
  const { self, members } = await mesher.federation();
  return members.find(({ node }) => node === self.node)?.addresses[0] ?? '';
}
