// The commands that talk to a mesher, in this process, against its real HTTP side.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { runCommand } from '../../../node/commands/run-command.ts';
import { MeshError } from '../../../node/core/errors.ts';
import { fakeTerminal } from './fake-terminal.ts';
import type { FakeTerminal } from './fake-terminal.ts';
import { startHttpMesher, view } from './http-mesher.ts';

async function run(
  argv: readonly string[],
  options: Parameters<typeof fakeTerminal>[0] = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const terminal = fakeTerminal(options);
  const code = await runCommand(argv, terminal);
  return { code, ...terminal.written };
}

function lines(text: string): unknown[] {
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as unknown]));
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'causeway-commands-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test('says what there is, and which exit code means what', async () => {
  const { code, stdout } = await run(['--help']);
  assert.equal(code, 0);
  for (const name of [
    'node',
    'registry',
    'up',
    'start',
    'publish',
    'subscribe',
    'status',
    'links',
    'routes',
    'trace',
  ]) {
    assert.match(stdout, new RegExp(`^  ${name} `, 'm'));
    const help = await run([name, '--help']);
    assert.equal(help.code, 0);
    assert.match(help.stdout, /^Examples?:\n {2}\S/m);
    assert.deepEqual(await run(['help', name]), help);
  }
  assert.match((await run(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
});

/** A URL at which nobody listens. */
async function closedUrl(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

test('ends with 2 for wrong use, 3 for a refusal, 4 for a failure, each one clear line', async (t) => {
  const closed = await closedUrl();
  const { url } = await startHttpMesher(t);
  for (const [argv, code, line] of [
    [[], 2, /^causeway .*Usage: /s],
    [
      ['publsh'],
      2,
      /^causeway: invalid-request: there is no command 'publsh', the nearest is 'publish'; .*\n$/,
    ],
    [
      ['xyzzy'],
      2,
      /^causeway: invalid-request: there is no command 'xyzzy'; 'causeway --help' lists them\n$/,
    ],
    [['status', '--jsn'], 2, /^causeway: invalid-request: .*nearest is --json; .*\n$/],
    [['status', '--url', 'nonsense'], 2, /^causeway: invalid-request: --url is 'nonsense'; .*\n$/],
    [['publish'], 2, /^causeway: invalid-request: --type is missing; .*\n$/],
    [['routes', 'a/#', '--url', url], 2, /^causeway: invalid-topic: .*\n$/],
    [['subscribe', 'a//b', '--url', url], 2, /^causeway: invalid-filter: .*\n$/],
    [
      ['publish', '--type', 't', '--data', '{}', '--source', 'no uri', '--url', url],
      3,
      /^causeway: invalid-event: .*source.*\n$/,
    ],
    [['subscribe', 'a', '--name', '-', '--url', url], 3, /^causeway: invalid-subscription: .*\n$/],
    [
      ['status', '--url', closed],
      4,
      /^causeway: mesher-unreachable: no mesher at http:\/\/127\.0\.0\.1:\d+ \(connection refused\); start one with 'causeway up'.*\n$/,
    ],
    [
      ['subscribe', 'a', '--url', closed],
      4,
      /^causeway: mesher-unreachable: no mesher at http:\/\/127\.0\.0\.1:\d+ \(connection refused\); start one with 'causeway up'.*\n$/,
    ],
  ] as const) {
    const result = await run(argv);
    assert.equal(result.code, code, `${argv.join(' ')}: ${result.stderr}`);
    assert.match(result.stderr, line);
    assert.equal(result.stdout, '');
  }
});

test('takes the URL from CAUSEWAY_URL where no flag names one', async (t) => {
  const closed = await closedUrl();
  const { url } = await startHttpMesher(t);
  assert.equal((await run(['status'], { env: { CAUSEWAY_URL: url } })).code, 0);
  assert.equal((await run(['status', '--url', url], { env: { CAUSEWAY_URL: closed } })).code, 0);
});

test('shows links and lanes, and what both ends say of them', async (t) => {
  const { url } = await startHttpMesher(t);
  const links = await run(['links', '--url', url]);
  assert.equal(links.code, 0);
  assert.match(links.stdout, /^LINK TO .*\n12D3\S+ +us +up/);
  assert.match(links.stdout, /\nLANE TO .*\nus +0 +open/);
  const verified = await run(['links', '--verify', '--url', url]);
  assert.equal(verified.code, 0);
  assert.match(
    verified.stdout,
    /^12D3\S+: agrees\n {2}nothing lost between sequence 1 and 7 of lane c:us:0 \(out\)\n/,
  );
  assert.match(verified.stdout, /c:us:0 +out +1 +7 +8 +6 +6 +2 +1 expired +no\n$/);
  const { links: compared } = await view.ledger();
  const [link] = compared;
  t.mock.method(view, 'ledger', () =>
    Promise.resolve({
      mesher: 'n',
      links: [{ ...link, verdict: { at: 1, outcome: 'differs', text: 'sequence 3 is not there' } }],
    }),
  );
  const differing = await run(['links', '--verify', '--json', '--url', url]);
  assert.equal(differing.code, 1);
  assert.match(differing.stdout, /sequence 3 is not there/);
});

test('shows clusters, meshers, links, lag and the registry', async (t) => {
  const { url } = await startHttpMesher(t);
  const { stdout } = await run(['status', '--url', url]);
  assert.match(stdout, /^federation acme, seen from 12D3KooWG\S+ in eu/);
  assert.match(stdout, /etcd:\/\/h1:2379 up for 1 min, revision 17/);
  assert.match(stdout, /^us +1 +1 +1 +82 ms +7$/m);
  assert.match(stdout, /^audit +9 +1 +5\.\d s$/m);
  const [status] = lines((await run(['status', '--json', '--url', url])).stdout) as [Record<string, unknown>];
  assert.deepEqual(Object.keys(status).sort(), ['copies', 'federation', 'lanes', 'links', 'queues']);
});

test('shows who would get an event, and why not the others', async (t) => {
  const { url } = await startHttpMesher(t);
  const { stdout } = await run(['routes', 'orders/eu', '--url', url]);
  assert.match(stdout, /^us +cluster +12D3KooWP\S+ +81\.50 ms +orders\/\+ \(workers\) +wanted there$/m);
  assert.match(stdout, /^ap +ap +no interest$/m);
  const [routes] = lines((await run(['routes', 'orders/eu', '--json', '--url', url])).stdout) as [
    { topic: string },
  ];
  assert.equal(routes.topic, 'orders/eu');
});

test('publishes one event from flags, its data as what it is', async (t) => {
  const { url, door } = await startHttpMesher(t);
  const path = join(folder(t), 'picture');
  writeFileSync(path, Buffer.from([0xff, 0x00, 0x01]));
  const flags = ['publish', '--topic', 'a/b', '--type', 'x.y', '--url', url];
  for (const data of [
    ['--data', '{"n": 1}'],
    ['--data', 'hello'],
    ['--data', `@${path}`],
    ['--id', '7', '--subject', 's'],
  ]) {
    const { code, stdout } = await run([...flags, ...data]);
    assert.equal(code, 0);
    const id =
      data[0] === '--id'
        ? ''
        : `; its source is /causeway/publish, its id ${door.published.at(-1)?.event.id ?? ''}`;
    assert.equal(stdout, `published 1 event; 1 with nobody subscribed${id}\n`);
  }
  const [json, text, bytes, none] = door.published.map(({ event }) => event);
  assert.deepEqual(json?.data, { type: 'text', value: '{"n": 1}' });
  assert.equal(text?.attributes.get('datacontenttype')?.value, 'text/plain');
  assert.deepEqual(bytes?.data, { type: 'binary', value: Buffer.from([0xff, 0x00, 0x01]) });
  assert.equal(none?.id, '7');
  assert.equal(none.data, undefined);
  assert.deepEqual(door.published[0]?.options, { topic: 'a/b', qos: 'durable' });
});

test('publishes what is piped in, wrapped or as it is, and prints a line for each with --json', async (t) => {
  const { url, door } = await startHttpMesher(t);
  const event = { specversion: '1.0', id: 'mine', source: '/s', type: 'own.type' };
  const stdin = `{"n":1}\n${JSON.stringify(event)}\n`;
  const { code, stdout } = await run(
    ['publish', '--type', 'x.y', '--qos', 'best-effort', '--replicas', '1', '--json', '--url', url],
    { stdin },
  );
  assert.equal(code, 0);
  assert.deepEqual(
    door.published.map(({ event: { type } }) => type),
    ['x.y', 'own.type'],
  );
  assert.equal(door.published[0]?.options.qos, 'best-effort');
  assert.equal(door.published[0].options.replicas, 1);
  const results = lines(stdout) as { id: string }[];
  assert.deepEqual(
    results.map(({ id }) => id),
    door.published.map(({ event }) => event.id),
  );
});

test('publishes 5,000 events from a file in the order of its lines', async (t) => {
  const { url, door } = await startHttpMesher(t);
  const path = join(folder(t), 'events.ndjson');
  writeFileSync(
    path,
    Array.from({ length: 5_000 }, (_, n) => JSON.stringify({ n, filler: 'x'.repeat(200) })).join('\n'),
  );
  const { code, stdout, stderr } = await run(['publish', '--type', 'x.y', '--file', path, '--url', url], {
    tty: true,
  });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^published 5,000 events in /);
  assert.match(stderr, /\d+% [\d,]+ events/);
  const numbers = door.published.map(
    ({ event }) => (JSON.parse(String(event.data?.value)) as { n: number }).n,
  );
  assert.deepEqual(
    numbers,
    Array.from({ length: 5_000 }, (_, n) => n),
  );
});

test('takes an empty input for one event without data where there is a type', async (t) => {
  const { url, door } = await startHttpMesher(t);
  assert.equal((await run(['publish', '--type', 'x.y', '--url', url], { stdin: '' })).code, 0);
  assert.equal(door.published.length, 1);
});

test('says the line of a malformed event, and what was published before it', async (t) => {
  const { url, door } = await startHttpMesher(t);
  const { code, stderr } = await run(['publish', '--type', 'x.y', '--url', url], {
    stdin: '1\n2\n{oops\n4\n',
  });
  assert.equal(code, 3);
  assert.match(
    stderr,
    /^causeway: invalid-event: line 3: not valid JSON: .*; 2 events before it published\n$/,
  );
  assert.equal(door.published.length, 2);
});

test('publishes again what an overloaded mesher could not take', async (t) => {
  const { url, door } = await startHttpMesher(t);
  door.failNext = new MeshError('overloaded', 'too much in hand', { details: { retryAfterMs: 1 } });
  assert.equal((await run(['publish', '--type', 'x.y', '--data', '1', '--url', url])).code, 0);
  assert.equal(door.published.length, 1);
});

test('says when something answers that is no mesher', async (t) => {
  const server = createServer((_request, response) => response.end('<html>')).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const { code, stderr } = await run(['status', '--url', `http://127.0.0.1:${port}`]);
  assert.equal(code, 4);
  assert.match(stderr, /no JSON; is it a Causeway mesher\?/);
});

async function subscribed(
  argv: readonly string[],
  ready: () => boolean,
): Promise<{ terminal: FakeTerminal; code: Promise<number> }> {
  const terminal = fakeTerminal();
  const code = runCommand(argv, terminal);
  while (!ready()) await new Promise((resolve) => setImmediate(resolve));
  return { terminal, code };
}

test('prints events of a topic as they come, until it is told to stop', async (t) => {
  const { url, door } = await startHttpMesher(t);
  const { terminal, code } = await subscribed(
    ['subscribe', 'a/#', '--url', url],
    () => door.ephemerals.size > 0,
  );
  await run([
    'publish',
    '--topic',
    'a/b',
    '--type',
    'x.y',
    '--id',
    '7',
    '--data',
    '{"n":"\\u001b[2J"}',
    '--url',
    url,
  ]);
  await terminal.prints('\n');
  assert.match(
    terminal.written.stdout,
    /^\d\d:\d\d:\d\d\.\d+ {2}x\.y {2}\/causeway\/publish {2}7 {2}\{"n":"\\u001b\[2J"\}\n$/,
  );
  terminal.interrupt();
  assert.equal(await code, 0);
  assert.equal(terminal.written.stderr, '');
});

test('prints CloudEvents with all their digits, and ends after --count', async (t) => {
  const { url, door } = await startHttpMesher(t);
  const { terminal, code } = await subscribed(
    ['subscribe', 'a/#', '--json', '--count', '1', '--url', url],
    () => door.ephemerals.size > 0,
  );
  await run([
    'publish',
    '--topic',
    'a/b',
    '--type',
    'x.y',
    '--data',
    '{"n":12345678901234567890}',
    '--url',
    url,
  ]);
  assert.equal(await code, 0);
  assert.match(terminal.written.stdout, /"data":\{"n":12345678901234567890\}/);
});

test('prints on one line what was written on several, and as text what is called JSON and is none', async (t) => {
  const { url, door } = await startHttpMesher(t);
  const { terminal, code } = await subscribed(
    ['subscribe', 'a/#', '--json', '--count', '2', '--url', url],
    () => door.ephemerals.size > 0,
  );
  await run(['publish', '--topic', 'a/b', '--type', 'x.y', '--data', '{\n"n":\n1}', '--url', url]);
  const attributes = new Map([['datacontenttype', { type: 'string' as const, value: 'application/json' }]]);
  const broken = {
    id: '1',
    source: '/s',
    type: 't',
    attributes,
    data: { type: 'text' as const, value: '{' },
  };
  await door.publish([broken], { topic: 'a/b', qos: 'durable' });
  assert.equal(await code, 0);
  assert.deepEqual(
    (lines(terminal.written.stdout) as { data: unknown }[]).map(({ data }) => data),
    [{ n: 1 }, '{'],
  );
});

test('says the line of an event that is none, and publishes what stands before it', async (t) => {
  const { url, door } = await startHttpMesher(t);
  const event = { specversion: '1.0', id: '1', source: '/s', type: 't' };
  const stdin = [event, { ...event, source: 'no uri' }, event].map((each) => JSON.stringify(each)).join('\n');
  const { code, stderr } = await run(['publish', '--url', url], { stdin });
  assert.equal(code, 3);
  assert.match(
    stderr,
    /^causeway: invalid-event: line 2: attribute "source": .*; 1 event before it published\n$/,
  );
  assert.equal(door.published.length, 1);
});

test('makes a durable subscription, acks what it has printed, and gives back what it has not', async (t) => {
  const { url, door } = await startHttpMesher(t);
  const argv = ['subscribe', 'a/#', '--name', 'mine', '--group', 'g', '--json', '--url', url];
  const { terminal, code } = await subscribed(
    [...argv, '--count', '2'],
    () => door.subscription('mine') !== undefined,
  );
  await run(['publish', '--topic', 'a/b', '--type', 'x.y', '--url', url], { stdin: '1\n2\n3\n' });
  assert.equal(await code, 0);
  assert.deepEqual(
    (lines(terminal.written.stdout) as { data: number }[]).map(({ data }) => data),
    [1, 2],
  );
  assert.equal(door.subscription('mine')?.subscription.group, 'g');
  assert.deepEqual(door.settlements.filter(({ kind }) => kind === 'ack').length, 2);
  const { stdout } = await run([...argv, '--count', '1']);
  assert.deepEqual(
    (lines(stdout) as { data: number }[]).map(({ data }) => data),
    [3],
  );
});

test('leaves the delivery settings of an existing subscription alone', async (t) => {
  const { url, door } = await startHttpMesher(t);
  await fetch(`${url}/v1/subscriptions/mine`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ topic: 'a/#', delivery: { retries: 3 } }),
  });
  await run(['publish', '--topic', 'a/b', '--type', 'x.y', '--data', '1', '--url', url]);
  assert.equal((await run(['subscribe', 'a/#', '--name', 'mine', '--count', '1', '--url', url])).code, 0);
  assert.equal(door.subscription('mine')?.subscription.delivery.retries, 3);
});

test('changes neither filter nor group of an existing subscription', async (t) => {
  const { url, door } = await startHttpMesher(t);
  await fetch(`${url}/v1/subscriptions/mine`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ topic: 'a/#', group: 'g' }),
  });
  for (const asked of [['b/#', '--group', 'g'], ['a/#'], ['a/#', '--group', 'h']]) {
    const { code, stderr } = await run(['subscribe', ...asked, '--name', 'mine', '--url', url]);
    assert.equal(code, 3);
    assert.match(
      stderr,
      /^causeway: invalid-subscription: .* with the filter a\/# and the group g; write causeway subscribe 'a\/#' --group g --name mine, /,
    );
  }
  const { topic, group } = door.subscription('mine')?.subscription ?? {};
  assert.deepEqual({ topic, group }, { topic: 'a/#', group: 'g' });
});

test('traces an event: its hops in their order, who was silent, and the verdict; 3 where nobody remembers it', async (t) => {
  const { url } = await startHttpMesher(t);
  const { code, stdout } = await run(['trace', '/shop', '1', '--url', url]);
  assert.equal(code, 0);
  assert.deepEqual(
    stdout.split('\n').map((line) => line.replace(/ +/g, ' ').replace(/12D3KooW\w+/g, 'N')),
    [
      '15:06:40.000 +0 ms eu N published',
      '15:06:40.040 +40 ms eu N sent to N',
      '15:06:40.030 +30 ms us N came from N',
      '15:06:40.200 +200 ms us N settled by bil\\x1bling',
      'N says nothing: there is no link to it',
      'delivered to billing',
      '',
    ],
  );
  const unknown = await run(['trace', '/shop', 'unknown', '--json', '--url', url]);
  assert.equal(unknown.code, 3);
  assert.equal((lines(unknown.stdout)[0] as { verdict: string }).verdict, 'no mesher remembers it');
  assert.equal((await run(['trace', '/shop', '--url', url])).code, 2);
});

test('a dry run sends nothing: it checks as the door does, and shows who would get it', async (t) => {
  const { url, door } = await startHttpMesher(t);
  const flags = ['publish', '--type', 'x.y', '--url', url, '--dry-run'];
  const { code, stdout } = await run([...flags, '--topic', 'orders/eu', '--data', '1']);
  assert.equal(code, 0);
  assert.match(stdout, /^1 event on orders\/eu would go:\n\nSUBSCRIPTION HERE[^]*audit[^]*GOES TO/);
  assert.match((await run([...flags, '--data', '1'])).stdout, /^1 event on x\/y would go:/);
  for (const [more, refused, line] of [
    [['--data', JSON.stringify('x'.repeat(2 * 1024 * 1024))], 3, /event-too-large/],
    [['--data', '1', '--topic', 'a/#'], 2, /invalid-topic/],
    [['--data', '1', '--source', 'no uri'], 3, /invalid-event/],
    [['--data', '1', '--trace'], 2, /--dry-run sends nothing/],
  ] as const) {
    const failed = await run([...flags, ...more]);
    assert.equal(failed.code, refused, failed.stderr);
    assert.match(failed.stderr, line);
  }
  assert.equal(door.published.length, 0);
});
