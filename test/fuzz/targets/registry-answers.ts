// What a registry, or whatever answers at its address, sends to a mesher: any status, headers and body, over a real socket. The
// mesher's client gives what fits, or a refusal of the catalogue; it never fails, and never gives what is no record.

import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { ERRORS, MeshError } from '../../../node/core/errors.ts';
import { parseRegistryAddress } from '../../../registry/address.ts';
import { HttpStore } from '../../../registry/embedded/http-store.ts';
import { isMember } from '../../../registry/record.ts';
import { realScheduler, type Scheduler } from '../../../registry/scheduler.ts';
import { Choices, piece, type Target } from '../target.ts';

const MEMBER = {
  federation: 'f',
  cluster: 'lab',
  node: 'n1',
  incarnation: 1,
  addresses: ['/ip4/127.0.0.1/tcp/1'],
  http: '',
  labels: { zone: 'a' },
  version: '1',
  signature: 'x',
};
const SETTING = { key: 'a', value: 'b', revision: 3 };
const ANSWERS: readonly unknown[] = [
  { revision: 7 },
  { revision: 7, members: [MEMBER, { ...MEMBER, node: 'n2', future: 1 }, { node: 'no record' }] },
  { setting: SETTING },
  { settings: [SETTING] },
  { lease: '12' },
  { kept: true },
  { deleted: false },
  { code: 'overloaded', title: 't', detail: 'd' },
  { code: 'registry-refused', title: 't', detail: 'd' },
];
const STATUSES = [200, 200, 200, 204, 400, 401, 403, 404, 409, 500, 503] as const;

/** The pause before a second try takes no time; time-outs do. */
const PAUSE_MS_MAX = 100;
const impatient: Scheduler = {
  now: () => realScheduler.now(),
  after: (ms, run) => realScheduler.after(ms <= PAUSE_MS_MAX ? 0 : ms, run),
};

let answer: { readonly status: number; readonly type: string; readonly body: Buffer };
let running: { readonly server: Server; readonly store: HttpStore } | undefined;

async function client(): Promise<HttpStore> {
  if (running) return running.store;
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(answer.status, { 'content-type': answer.type });
    response.end(answer.status === 204 ? undefined : answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  const bound = server.address();
  assert(bound !== null && typeof bound === 'object');
  const address = parseRegistryAddress(`http://127.0.0.1:${bound.port}`);
  const ports = { scheduler: impatient, random: () => 0.5, log: () => undefined };
  const store = new HttpStore({ address, timeoutMs: 60_000 }, ports);
  running = { server, store };
  return store;
}

export const target: Target = {
  name: 'registry-answers',
  shape: 'json',
  bytesMax: 8_192,
  dictionary: [
    '"members":[',
    '"revision":',
    '"lease":null',
    '"setting":null',
    '"code":"',
    ...Object.keys(ERRORS).slice(0, 8),
  ],
  sample: (chance) =>
    Buffer.concat([
      Buffer.of(chance.below(8), chance.below(STATUSES.length)),
      piece(chance.pick(['application/json', 'text/html', 'application/problem+json'])),
      Buffer.from(JSON.stringify(chance.pick(ANSWERS))),
    ]),
  quick: 800,
  operationsFree: 100_000,
  memoryFree: 64 * 1024 * 1024,
  run: async (input) => {
    const store = await client();
    const choices = new Choices(input);
    const which = choices.byte();
    const status = STATUSES[choices.byte() % STATUSES.length] ?? 200;
    answer = { status, type: headerValue(choices.piece()), body: choices.rest() };
    try {
      await ask(store, which % 8);
      return true;
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      return false;
    }
  },
};

async function ask(store: HttpStore, which: number): Promise<void> {
  switch (which) {
    case 0:
      assert(Number.isSafeInteger(await store.nextRevision('f')));
      return;
    case 1: {
      const { revision, members } = await store.members('f');
      assert(Number.isSafeInteger(revision) && revision >= 0);
      assert(members.every((member) => isMember(member) && member.federation === 'f'));
      return;
    }
    case 2: {
      const setting = await store.getSetting('f', 'a');
      assert(setting === undefined || typeof setting.value === 'string');
      return;
    }
    case 3:
      assert((await store.listSettings('f', 'a')).every(({ key }) => typeof key === 'string'));
      return;
    case 4: {
      const lease = await store.putMember(MEMBER, 2_000, 'any');
      assert(lease === undefined || lease.length > 0);
      return;
    }
    case 5:
      assert.equal(typeof (await store.keepAlive('f', 'n1', '1')), 'boolean');
      return;
    case 6:
      assert.equal(typeof (await store.deleteSetting('f', 'a', 1)), 'boolean');
      return;
    default:
      await store.removeMember('f', 'n1', '1');
  }
}

/** What Node lets a server say. */
function headerValue(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/[^\t\x20-\x7e]/g, '?');
}
