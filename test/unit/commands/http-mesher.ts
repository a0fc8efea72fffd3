// A mesher's real HTTP side with a front door in memory behind it, for commands to talk to.

import type { TestContext } from 'node:test';
import { httpBridge } from '../../../bridge/http/bridge.ts';
import { wsBridge } from '../../../bridge/ws/bridge.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import type { TraceHop } from '../../../node/core/overview.ts';
import type { MesherView } from '../../../node/core/views.ts';
import { startHttpServer } from '../../../node/http/server.ts';
import { FakeFrontDoor } from '../../support/front-door.ts';

const node = '12D3KooWGC6TvWhfagifX6nvqfk8rBiWBxkhnkRJtFqpeWBqkPBm';
const peer = '12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X';

const none = { peer: '', subscription: '', reason: '', attempt: 0 };
const way: readonly TraceHop[] = [
  { ...none, at: 1_750_000_000_000, mesher: node, cluster: 'eu', what: 'published' },
  { ...none, at: 1_750_000_000_040, mesher: node, cluster: 'eu', what: 'forwarded', peer },
  { ...none, at: 1_750_000_000_030, mesher: peer, cluster: 'us', what: 'landed', peer: node },
  {
    ...none,
    at: 1_750_000_000_200,
    mesher: peer,
    cluster: 'us',
    what: 'acked',
    subscription: 'bil\u001bling',
  },
];

export const view: MesherView = {
  federation: () => ({
    federation: 'acme',
    self: { node, cluster: 'eu', incarnation: 3, version: '0.1.0' },
    registry: { address: 'etcd://h1:2379', state: 'up', revision: 17, sinceMs: 65_000 },
    ready: { ready: true, why: [] },
    members: [member(node, 'eu'), member(peer, 'us')],
  }),
  links: () => ({
    links: [
      {
        peer,
        cluster: 'us',
        state: 'up',
        reason: '',
        sinceMs: 4_200,
        roundTripMs: 81.5,
        sentEvents: 12_345,
        receivedEvents: 6,
        doubtfulEvents: 0,
        sentBytes: 1,
        receivedBytes: 2,
      },
    ],
    copies: [],
    lanes: [
      { destination: 'us', scope: 'cluster', lane: 0, landing: peer, state: 'open', queued: 7, inFlight: 2 },
    ],
  }),
  ledger: () =>
    Promise.resolve({
      mesher: node,
      links: [
        {
          peer,
          verdict: {
            at: 1,
            outcome: 'agrees',
            text: 'nothing lost between sequence 1 and 7 of lane c:us:0 (out)',
          },
          lanes: [
            {
              lane: 'c:us:0',
              direction: 'out',
              incarnation: 3,
              from: 1,
              to: 7,
              sent: 8,
              acked: 6,
              received: 6,
              duplicate: 2,
              refused: { expired: 1 },
              difference: '',
            },
          ],
        },
      ],
    }),
  queues: () => [
    { name: 'audit', kind: 'subscription', depth: 9, inFlight: 1, oldestAcceptedAt: Date.now() - 5_000 },
  ],
  routes: (topic) => ({
    topic,
    subscriptions: [{ name: 'audit', filter: 'orders/#', group: '', why: 'its filter matches' }],
    destinations: [
      {
        kind: 'cluster',
        destination: 'us',
        landing: peer,
        roundTripMs: 81.5,
        because: [{ filter: 'orders/+', group: 'workers', node: peer }],
        why: 'wanted there',
      },
    ],
    others: [{ destination: 'ap', cluster: 'ap', why: 'no interest' }],
  }),
  trace: async ({ source, id }) => ({
    source,
    id,
    hops: id === 'unknown' ? [] : way,
    verdict: id === 'unknown' ? 'no mesher remembers it' : 'delivered to billing',
    waits: [],
    silent: [{ mesher: peer, why: 'there is no link to it' }],
  }),
  metrics: () => [],
  notReady: () => [],
};

function member(id: string, cluster: string) {
  return {
    node: id,
    cluster,
    incarnation: 3,
    status: 'alive' as const,
    http: 'http://10.0.0.5:7400',
    addresses: [],
    labels: {},
    routes: { sequence: 4, interests: 2, complete: true, gapped: false },
  };
}

export async function startHttpMesher(t: TestContext): Promise<{ url: string; door: FakeFrontDoor }> {
  const door = new FakeFrontDoor();
  const clock = { wall: () => Date.now(), monotonic: () => performance.now() };
  const log = { warn: () => undefined, error: () => undefined };
  const webhook = { origin: 'mesh.test', publicUrl: undefined };
  const bridge = httpBridge({ limits: LIMITS, webhook }, { door, clock, random: Math.random, log });
  const streaming = wsBridge({ version: '0.1.0', limits: LIMITS }, { door, clock, log });
  const server = await startHttpServer(
    { host: '127.0.0.1', port: 0, version: '0.1.0', limits: LIMITS },
    { view, plugins: [bridge, streaming.plugin], upgrade: streaming, log },
  );
  t.after(() => server.close());
  return { url: server.url, door };
}
