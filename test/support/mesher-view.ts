// A mesher's view with one of everything, for tests of what shows it.

import { family } from '../../node/core/metric-family.ts';
import type { MesherView } from '../../node/core/views.ts';

export function fakeView(notReady: readonly string[] = []): MesherView {
  return {
    federation: () => ({
      federation: 'acme',
      self: { node: 'n1', cluster: 'a', incarnation: 3, version: '0.1.0' },
      registry: { address: 'etcd://h1:2379', state: 'up', revision: 12, sinceMs: 5 },
      ready: { ready: notReady.length === 0, why: notReady },
      members: [
        {
          node: 'n2',
          cluster: 'b',
          incarnation: 1,
          status: 'suspect',
          http: '',
          addresses: ['/ip4/127.0.0.1/tcp/1'],
          labels: { zone: 'x' },
          routes: { sequence: 1, interests: 2, complete: true, gapped: false },
        },
      ],
    }),
    links: () => ({
      links: [
        {
          peer: 'n2',
          cluster: 'b',
          state: 'down',
          reason: 'connection refused',
          sinceMs: 1,
          roundTripMs: undefined,
          sentEvents: 1,
          receivedEvents: 2,
          doubtfulEvents: 0,
          sentBytes: 3,
          receivedBytes: 4,
        },
      ],
      lanes: [
        {
          destination: 'b',
          scope: 'cluster',
          lane: 0,
          landing: undefined,
          state: 'waiting',
          queued: 1,
          inFlight: 0,
        },
      ],
      copies: [{ node: 'n2', state: 'streaming', complete: true, behind: 0 }],
    }),
    queues: () => [{ name: 'billing', kind: 'subscription', depth: 2, inFlight: 1, oldestAcceptedAt: 0 }],
    routes: (topic) => ({
      topic,
      subscriptions: [{ name: 'billing', filter: '#', group: '', why: 'matches' }],
      destinations: [
        {
          kind: 'cluster',
          destination: 'b',
          landing: 'n2',
          roundTripMs: 1.5,
          because: [{ filter: '#', group: '', node: 'n2' }],
          why: 'interest',
        },
      ],
      others: [{ destination: 'c', cluster: 'c', why: 'no interest' }],
    }),
    ledger: () =>
      Promise.resolve({
        mesher: 'n1',
        links: [
          {
            peer: 'n2',
            verdict: { at: 1, outcome: 'differs', text: 'sequence 3 of lane c:b:0 was not taken' },
            lanes: [
              {
                lane: 'c:b:0',
                direction: 'out',
                incarnation: 3,
                from: 1,
                to: 4,
                sent: 4,
                acked: 4,
                received: 3,
                duplicate: 0,
                refused: { expired: 1 },
                difference: 'sequence 3 was not taken',
              },
            ],
          },
        ],
      }),
    metrics: () => [
      family('events_published_total', [{ labels: { qos: 'durable' }, value: 5 }]),
      family('link_up', [{ labels: { peer: 'n2', cluster: 'b' }, value: 0 }]),
    ],
    trace: async (event) => ({
      ...event,
      hops: [
        {
          at: 1_750_000_000_000,
          mesher: 'n1',
          cluster: 'a',
          what: 'published',
          peer: '',
          subscription: '',
          reason: '',
          attempt: 0,
        },
      ],
      verdict: 'waits at n1 in a for cluster b',
      waits: [{ mesher: 'n1', cluster: 'a', why: 'for cluster b' }],
      silent: [{ mesher: 'n2', why: 'there is no link to it' }],
    }),
    notReady: () => notReady,
  };
}
