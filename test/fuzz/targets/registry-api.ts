// The embedded registry's HTTP interface, without sockets: any path, query and body. It answers what is wrong with a problem
// that says so, never with a fault of its own.

import assert from 'node:assert/strict';
import type { FastifyInstance } from 'fastify';
import { ERRORS } from '../../../node/core/errors.ts';
import { buildRegistryServer } from '../../../registry/embedded/server.ts';
import { MemoryRegistryHub } from '../../../registry/memory.ts';
import { realScheduler } from '../../../registry/scheduler.ts';
import type { Target } from '../target.ts';
import { parseRequest, requestText } from '../request.ts';

const ROOT = '/v1/federations/f';
const RECORD = {
  federation: 'f',
  cluster: 'lab',
  node: 'n1',
  incarnation: 1,
  addresses: [],
  http: '',
  labels: {},
  version: '',
  signature: '',
};
const REQUESTS: readonly (readonly [string, unknown?])[] = [
  [`POST ${ROOT}/revision`],
  [`GET ${ROOT}/members`],
  [`PUT ${ROOT}/members/n1`, { record: RECORD, ttlMs: 2_000, overwrite: 'any' }],
  [
    `PUT ${ROOT}/members/n1`,
    { record: { ...RECORD, future: { a: [1] } }, ttlMs: 2_000, overwrite: 'not-newer' },
  ],
  [`POST ${ROOT}/members/n1/keep-alive`, { lease: '1' }],
  [`DELETE ${ROOT}/members/n1?lease=1`],
  [`GET ${ROOT}/settings?prefix=a`],
  [`GET ${ROOT}/setting?key=a`],
  [`PUT ${ROOT}/setting`, { key: 'a', value: 'b', expected: 0 }],
  [`DELETE ${ROOT}/setting?key=a&expected=1`],
  ['GET /v1/health'],
];

let running: { readonly app: FastifyInstance; readonly hub: MemoryRegistryHub; uses: number } | undefined;
/** What one registry has taken changes what it answers; a new one now and then keeps findings repeatable. */
const USES_MAX = 200;

async function registry(): Promise<FastifyInstance> {
  if (running && running.uses++ < USES_MAX) return running.app;
  if (running) {
    await running.app.close();
    running.hub.close();
  }
  const hub = new MemoryRegistryHub();
  const app = buildRegistryServer({}, hub.store(), realScheduler);
  running = { app, hub, uses: 0 };
  await app.ready();
  return app;
}

export const target: Target = {
  name: 'registry-api',
  shape: 'text',
  bytesMax: 32_768,
  dictionary: [
    '/members/',
    '/setting?key=',
    '/settings?prefix=',
    '%2e%2e%2f',
    '%00',
    '%',
    '"__proto__":{}',
    '"lease":',
    '"expected":',
    '[[',
  ],
  sample: (chance) => {
    const [line, body] = chance.pick(REQUESTS);
    return requestText(line, body === undefined ? {} : { 'content-type': 'application/json' }, body);
  },
  quick: 800,
  operationsFree: 400_000,
  memoryFree: 64 * 1024 * 1024,
  run: async (input) => {
    const request = parseRequest(input);
    if (!request || request.url.includes('/watch')) return false;
    const response = await (await registry()).inject(request);
    const { statusCode } = response;
    if (statusCode < 300) return true;
    const problem = JSON.parse(response.body) as { code: keyof typeof ERRORS; status: number };
    assert.match(String(response.headers['content-type']), /^application\/problem\+json/);
    assert.equal(ERRORS[problem.code].status, statusCode, `${problem.code} with ${statusCode}`);
    assert.equal(problem.status, statusCode);
    assert(statusCode < 500 || problem.code === 'overloaded', response.body);
    return false;
  },
};
