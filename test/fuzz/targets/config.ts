// A mesher's configuration: a YAML file, environment variables (a line each) and flags (a line each), together. Whatever they
// hold, there is a configuration that fits its schema, or `invalid-config` in words.

import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { Compile } from 'typebox/compile';
import { loadConfig } from '../../../node/config.ts';
import { configSchema } from '../../../node/config/schema.ts';
import { settings } from '../../../node/config/settings.ts';
import { MeshError } from '../../../node/core/errors.ts';
import { parseRegistryAddress } from '../../../registry/address.ts';
import type { Chance } from '../../simulation/chance.ts';
import { Choices, piece, type Target, unlessRefused } from '../target.ts';

const schema = Compile(configSchema);
const path = join(tmpdir(), `causeway-fuzz-config-${process.pid}-${threadId}.yaml`);

const YAMLS = [
  'cluster: eu\n',
  'cluster: eu\nregistry:\n  address: etcd://h1:2379,h2:2379\nhttp: { listen: 127.0.0.1:7400 }\n',
  'cluster: eu\nlink:\n  listen:\n    - /ip4/127.0.0.1/tcp/7401\n  advertise: []\nlabels: { zone: a, rack: "7" }\n',
  'cluster: &a eu\nfederation: *a\nlimits:\n  eventBytesMax: 1048576\ntiming: { tickMs: 100 }\n',
  'cluster: |\n  eu\nlog:\n  level: debug\ninsecure: true\n',
];
const LINES = [
  'CAUSEWAY_CLUSTER=eu',
  'CAUSEWAY_LABELS=zone=a,rack=7',
  'CAUSEWAY_LIMITS_EVENT_BYTES_MAX=5',
  'CAUSEWAY_PORT=tcp://x',
  'CAUSEWAY_INSECURE=yes',
];
const FLAGS = [
  'cluster=eu',
  'http=[::1]:7400',
  'listen=/ip4/0.0.0.0/tcp/7401',
  'label=zone=a',
  'log-level=info',
  'registry=https://h:7420',
];

const ADDRESSES = ['etcd://h1:2379,h2', 'https://[::1]:7420/', 'http://Registry.example.com'];

const some = (chance: Chance, lines: readonly string[]): string =>
  lines.filter(() => chance.is(0.3)).join('\n');

export const target: Target = {
  name: 'config',
  shape: 'text',
  bytesMax: 4_096,
  dictionary: [
    ...settings.slice(0, 24).map(({ key }) => `${key.replace('.', ':\n  ')}: `),
    '&a ',
    '*a',
    '<<: ',
    '!!binary ',
    '!!set ',
    '!!omap ',
    '? ',
    '|-\n',
    '---\n',
    '...\n',
    '{',
    '[',
    '@',
    '"',
    '\t',
    '%YAML 1.1\n',
  ],
  sample: (chance) =>
    Buffer.concat([
      piece(some(chance, LINES)),
      piece(some(chance, FLAGS)),
      piece(chance.pick(ADDRESSES)),
      Buffer.from(chance.pick(YAMLS)),
    ]),
  quick: 1_500,
  // Each unknown key is compared with all that are known, letter by letter, for the one that was meant.
  operationsFree: 2_000_000,
  operationsPerByte: 100_000,
  // The YAML library takes 6 KB for each bracket that opens within another.
  memoryFree: 128 * 1024 * 1024,
  run: (input) => {
    const choices = new Choices(input);
    const env = entries(choices.piece());
    const flags = new Map(entries(choices.piece()).map(([name, value]) => [name, [value]]));
    const address = choices.piece().toString();
    const parsed = unlessRefused([MeshError], () => parseRegistryAddress(address));
    if (parsed)
      assert.deepEqual(parseRegistryAddress(parsed.value.text), parsed.value, 'it is read as it is logged');
    writeFileSync(path, choices.rest());
    try {
      const config = unlessRefused([MeshError], () =>
        loadConfig({ flags, env: Object.fromEntries(env), file: path }),
      );
      if (config) assert(schema.Check(config.value), 'what is taken fits the schema');
      return config !== undefined;
    } finally {
      rmSync(path, { force: true });
    }
  },
};

/** A line for each: name=value. */
function entries(lines: Buffer): [name: string, value: string][] {
  return lines
    .toString()
    .split('\n')
    .map((line) => {
      const at = line.indexOf('=');
      return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)];
    });
}
