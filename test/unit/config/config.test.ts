import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import fc from 'fast-check';
import { configReference, loadConfig } from '../../../node/config.ts';
import { settings } from '../../../node/config/settings.ts';
import { parseYaml } from '../../../node/config/yaml-file.ts';
import { MeshError } from '../../../node/core/errors.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import { nearest } from '../../../node/core/nearest.ts';
import { TIMING } from '../../../node/core/timing.ts';

type Given = {
  flags?: Record<string, string | readonly string[]>;
  env?: Record<string, string>;
  file?: string;
};

function load({ flags = {}, env = {}, file }: Given) {
  const lists = Object.entries({ cluster: 'eu', ...flags }).map(
    ([name, texts]) => [name, typeof texts === 'string' ? [texts] : texts] as const,
  );
  return loadConfig({ flags: new Map(lists), env, file });
}

function refusal(given: Given): string {
  try {
    load(given);
  } catch (error) {
    assert.ok(error instanceof MeshError);
    assert.equal(error.code, 'invalid-config');
    assert.doesNotMatch(error.message, /\n/);
    return error.message;
  }
  throw new assert.AssertionError({ message: 'it was taken' });
}

function yamlFile(t: TestContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-config-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'causeway.yaml'), text);
  return join(folder, 'causeway.yaml');
}

test('gives every setting its default, and limits and timing those of the core', () => {
  const config = load({});
  assert.deepEqual(config.limits, LIMITS);
  assert.deepEqual(config.timing, TIMING);
  assert.equal(config.http.listen, '127.0.0.1:7400');
  assert.deepEqual(config.link, { listen: ['/ip4/127.0.0.1/tcp/7401'], advertise: [], encryption: 'noise' });
  assert.equal(config.registry.user, undefined);
});

test('takes a part of one as a number with a point, and no other number', () => {
  const ratio = (text: string): number =>
    load({ flags: { 'tracing-sample-ratio': text } }).tracing.sampleRatio;
  assert.deepEqual([load({}).tracing.sampleRatio, ratio('0.25'), ratio('1')], [0, 0.25, 1]);
  for (const text of ['1.5', '-0.1', 'some', '1e-3', '.5'])
    assert.match(
      refusal({ flags: { 'tracing-sample-ratio': text } }),
      /tracing\.sampleRatio is .*, it must be /,
    );
});

test('takes an endpoint for spans that is a base URL, and headers only with it', (t) => {
  const endpoint = (text: string) => load({ flags: { 'tracing-endpoint': text } }).tracing.endpoint;
  assert.equal(load({}).tracing.endpoint, undefined);
  for (const text of ['http://127.0.0.1:4318', 'https://otlp.example.com/otlp/'])
    assert.equal(endpoint(text), text);
  for (const text of ['127.0.0.1:4318', 'grpc://h:4317', 'http://u:p@h', 'http://h?a=1', ''])
    assert.match(refusal({ flags: { 'tracing-endpoint': text } }), /tracing\.endpoint is /);
  const file = yamlFile(t, 'x-token: secret');
  assert.match(refusal({ flags: { 'tracing-headers-file': file } }), /needs tracing\.endpoint/);
  const both = { 'tracing-endpoint': 'http://h', 'tracing-headers-file': `${file}.not` };
  assert.match(refusal({ flags: both }), /cannot be read/);
});

test('lets a flag win over a variable, a variable over the file, and the file over the default', (t) => {
  const file = yamlFile(
    t,
    'data: from-file\nlog:\n  level: debug\nhttp:\n  listen: 127.0.0.1:1\nlabels:\n  a: file\n',
  );
  const env = { CAUSEWAY_LOG_LEVEL: 'warn', CAUSEWAY_HTTP_LISTEN: '127.0.0.1:2', CAUSEWAY_LABELS: 'a=1,b=2' };
  const config = load({ file, env, flags: { http: '127.0.0.1:3' } });
  assert.equal(config.data, 'from-file');
  assert.equal(config.log.level, 'warn');
  assert.equal(config.http.listen, '127.0.0.1:3');
  assert.deepEqual(config.labels, { a: '1', b: '2' });
});

test('takes the file from CAUSEWAY_CONFIG where no flag names one', (t) => {
  assert.equal(load({ env: { CAUSEWAY_CONFIG: yamlFile(t, 'data: here\n') } }).data, 'here');
});

test('reads lists from repeated flags and from commas', () => {
  const listen = ['/ip4/127.0.0.1/tcp/1,/ip6/::1/tcp/2', '/dns4/a.example/tcp/3'];
  assert.deepEqual(load({ flags: { listen } }).link.listen, [
    '/ip4/127.0.0.1/tcp/1',
    '/ip6/::1/tcp/2',
    '/dns4/a.example/tcp/3',
  ]);
});

test('freezes the whole, down to the last list, and shares nothing between two loads', () => {
  const config = load({});
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    assert.ok(Object.isFrozen(value));
    for (const below of Object.values(value)) walk(below);
  };
  walk(config);
  assert.notEqual(config.labels, load({}).labels);
});

test('names the nearest setting and the line of an unknown one', (t) => {
  const file = yamlFile(
    t,
    'cluster: eu\nregistry:\n  adress: etcd://h\nlisten: 1\nlimits:\n  eventByteMax: 3\n',
  );
  const message = refusal({ file });
  assert.match(
    message,
    /causeway\.yaml:3: 'registry\.adress' is no setting, the nearest is 'registry\.address'/,
  );
  assert.match(message, /causeway\.yaml:4: 'listen' is no setting, the nearest is '(http|link)\.listen'/);
  assert.match(
    message,
    /causeway\.yaml:6: 'limits\.eventByteMax' is no setting, the nearest is 'limits\.eventBytesMax'/,
  );
});

test('names no setting where none is near', (t) => {
  const file = yamlFile(t, 'cluster: eu\nfrobnicate: 1\n');
  assert.match(refusal({ file }), /:2: 'frobnicate' is no setting, 'causeway node --reference' lists them$/);
  assert.match(refusal({ env: { CAUSEWAY_FROBNICATE: '1' } }), /is no setting, 'causeway node --reference'/);
});

test('names the nearest variable of an unknown one, and lets those of other programs be', () => {
  assert.match(refusal({ env: { CAUSEWAY_HTP_LISTEN: 'x' } }), /CAUSEWAY_HTP_LISTEN .* CAUSEWAY_HTTP_LISTEN/);
  load({
    env: {
      PATH: '/bin',
      CAUSEWAY_URL: 'http://x',
      // What Kubernetes sets for a service named `causeway`.
      CAUSEWAY_SERVICE_HOST: '10.0.0.1',
      CAUSEWAY_SERVICE_PORT_HTTP: '7400',
      CAUSEWAY_PORT: 'tcp://10.0.0.1:7400',
      CAUSEWAY_PORT_7400_TCP_ADDR: '10.0.0.1',
    },
  });
});

test('says what is missing and how to give it', () => {
  assert.throws(
    () => loadConfig({ flags: new Map(), env: {} }),
    /cluster must be given: add --cluster, CAUSEWAY_CLUSTER/,
  );
});

test('refuses what does not fit, with its place and what would', (t) => {
  for (const [given, expected] of [
    [{ flags: { http: 'nonsense' } }, /^--http: http\.listen is "nonsense", it must be host:port/],
    [{ flags: { listen: 'localhost:7401' } }, /--listen: .*multiaddrs/],
    [{ flags: { 'log-level': 'loud' } }, /one of trace, debug/],
    [{ env: { CAUSEWAY_INSECURE: 'perhaps' } }, /CAUSEWAY_INSECURE: .*true or false/],
    [{ flags: { 'registry-lease-ttl-ms': 'soon' } }, /an integer/],
    [{ flags: { 'registry-lease-ttl-ms': '1' } }, />= 1000/],
    [{ flags: { label: 'zone' } }, /key=value/],
    [{ file: yamlFile(t, 'http: 7400\n') }, /'http' must hold keys such as 'listen', 'advertise'/],
    // a timer cannot wait longer than 2^31 ms: it would go off every ms
    [{ flags: { 'canary-every-ms': '2000000000' } }, /canary\.everyMs is .*, it must be /],
    [{ file: yamlFile(t, 'data: 7\n') }, /:1: data is 7, it must be text/],
    [{ file: yamlFile(t, 'data: [1\n') }, /causeway\.yaml:\d: not valid YAML/],
    [{ file: yamlFile(t, 'data: a\ndata: b\n') }, /not valid YAML.*unique/],
    [{ file: '/nowhere/causeway.yaml' }, /no such file; name the file with --config/],
  ] as const satisfies readonly (readonly [Given, RegExp])[]) {
    assert.match(refusal(given), expected);
  }
});

test('refuses settings that do not go together', (t) => {
  const secret = yamlFile(t, 'hidden');
  for (const [flags, expected] of [
    [{ 'limits-event-bytes-max': '99999999' }, /linkFrameBytesMax must hold one event/],
    [{ 'timing-dead-after-ms': '5000' }, /timing\.rememberEveryMs must be below timing\.deadAfterMs/],
    [{ 'registry-user': 'mesh' }, /registry\.user and registry\.passwordFile must be given together/],
    [{ 'registry-cert-file': secret }, /certFile and registry\.keyFile/],
    [{ 'registry-ca-file': secret, registry: 'etcd://h:2379' }, /write etcds:\/\//],
    [{ 'registry-user': 'mesh', 'registry-password-file': '/nowhere' }, /\/nowhere cannot be read/],
    [{ registry: 'ftp://h' }, /known scheme/],
  ] as const) {
    assert.match(refusal({ flags }), expected);
  }
});

test('never repeats a password that was put into the address', () => {
  const message = refusal({ flags: { registry: 'etcd://mesh:hunter2@h:2379' } });
  assert.doesNotMatch(message, /hunter2/);
});

test('listens beyond loopback only when told that it is insecure', () => {
  for (const http of ['0.0.0.0:7400', ':7400', '[::]:7400', '10.0.0.5:7400', 'mesh.example:7400']) {
    assert.match(refusal({ flags: { http } }), /beyond this machine.*--insecure/);
    assert.equal(load({ flags: { http, insecure: 'true' } }).http.listen, http);
  }
  for (const http of ['127.0.0.1:0', '127.9.9.9:7400', '[::1]:7400', 'localhost:7400'])
    load({ flags: { http } });
});

test('gives every setting a variable and a flag of its own', () => {
  assert.equal(new Set(settings.map(({ variable }) => variable)).size, settings.length);
  const flags = settings.flatMap(({ flag, shortFlag }) =>
    shortFlag === undefined ? [flag] : [flag, shortFlag],
  );
  assert.equal(new Set(flags).size, flags.length);
});

test('describes every setting', () => {
  for (const { key, description } of settings) assert.ok(description.length > 10, key);
});

test('has its reference in docs/config.md (causeway node --reference > docs/config.md)', () => {
  const path = new URL('../../../docs/config.md', import.meta.url);
  assert.ok(
    readFileSync(path, 'utf8') === configReference(),
    'docs/config.md is not what the schema says now',
  );
});

test('finds the setting that was meant behind one typing error', () => {
  const keys = settings.map(({ key }) => key);
  fc.assert(
    fc.property(
      fc.constantFrom(...keys),
      fc.nat(),
      fc.constantFrom('drop', 'double', 'swap'),
      (key, at, error) => {
        const i = at % (key.length - 1);
        const [a, b] = [key.charAt(i), key.charAt(i + 1)];
        const middle = { drop: b, double: a + a + b, swap: b + a }[error];
        const typed = key.slice(0, i) + middle + key.slice(i + 2);
        // One error away from what was meant; another setting may be as near.
        const found = nearest(typed, keys) ?? '';
        assert.ok(found === key || Math.abs(found.length - typed.length) <= 1, `${typed} → ${found}`);
      },
    ),
  );
});

test('answers any file with settings or with invalid-config', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json().map(String)), (text) => {
      try {
        parseYaml(text, 'any.yaml');
      } catch (error) {
        assert.ok(error instanceof MeshError && error.code === 'invalid-config', String(error));
      }
    }),
  );
});
