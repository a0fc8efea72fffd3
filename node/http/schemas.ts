// The bodies that the admin routes answer with, as schemas: for /openapi.json. They describe core/views.ts; a test holds
// the two against each other.

import Type from 'typebox';
import { HOP_KINDS, type HopKind } from '../core/overview.ts';

const Count = (description: string) => Type.Integer({ minimum: 0, description });
const NodeId = Type.String({
  description: "A mesher's libp2p peer id",
  examples: ['12D3KooWGC6TvWhfagifX6nvqfk8rBiWBxkhnkRJtFqpeWBqkPBm'],
});
const Cluster = Type.String({ examples: ['aws-eu-west-1'] });
const Millis = (description: string) => Type.Number({ description: `${description}, ms` });

export const FederationSchema = Type.Object({
  federation: Type.String({ examples: ['acme'] }),
  self: Type.Object({ node: NodeId, cluster: Cluster, incarnation: Type.Integer(), version: Type.String() }),
  registry: Type.Object({
    address: Type.String({ examples: ['etcd://h1:2379,h2:2379'] }),
    state: Type.Union([Type.Literal('up'), Type.Literal('down'), Type.Literal('never-reached')]),
    revision: Type.Integer(),
    sinceMs: Millis('For how long it has been in this state'),
  }),
  ready: Type.Object({ ready: Type.Boolean(), why: Type.Array(Type.String()) }),
  members: Type.Array(
    Type.Object({
      node: NodeId,
      cluster: Cluster,
      incarnation: Type.Integer(),
      status: Type.Union([Type.Literal('alive'), Type.Literal('suspect'), Type.Literal('dead')]),
      http: Type.String({ description: "Base URL of its HTTP API, or ''" }),
      addresses: Type.Array(Type.String()),
      labels: Type.Record(Type.String(), Type.String()),
      routes: Type.Object({
        sequence: Type.Integer(),
        interests: Count('Filters it wants'),
        complete: Type.Boolean(),
        gapped: Type.Boolean(),
      }),
    }),
  ),
});

export const LinksSchema = Type.Object({
  links: Type.Array(
    Type.Object({
      peer: NodeId,
      cluster: Cluster,
      state: Type.Union([Type.Literal('up'), Type.Literal('down')]),
      reason: Type.String({ description: "Why it is down; '' while up" }),
      sinceMs: Millis('For how long it has been in this state'),
      roundTripMs: Type.Optional(Millis('Measured round trip')),
      sentEvents: Count('Events sent'),
      receivedEvents: Count('Events received'),
      doubtfulEvents: Count('Events sent again because custody was in doubt'),
      sentBytes: Count('Bytes sent'),
      receivedBytes: Count('Bytes received'),
    }),
  ),
  lanes: Type.Array(
    Type.Object({
      destination: Type.String({
        description: "A cluster's name, or the node id of a mesher in this cluster",
      }),
      scope: Type.Union([Type.Literal('cluster'), Type.Literal('peer')]),
      lane: Type.Integer(),
      landing: Type.Optional(NodeId),
      state: Type.Union([
        Type.Literal('waiting'),
        Type.Literal('opening'),
        Type.Literal('open'),
        Type.Literal('moving'),
      ]),
      queued: Count('Events waiting'),
      inFlight: Count('Events sent and not yet acked'),
    }),
  ),
  copies: Type.Array(
    Type.Object({
      node: NodeId,
      state: Type.Union([Type.Literal('opening'), Type.Literal('streaming'), Type.Literal('away')]),
      complete: Type.Boolean({
        description: 'It holds all that this journal does, as far as it is not behind',
      }),
      behind: Count('Batches that it has not acked'),
    }),
    { description: "Copies of this mesher's journal on others of its cluster" },
  ),
});

export const QueuesSchema = Type.Object({
  queues: Type.Array(
    Type.Object({
      name: Type.String(),
      kind: Type.Union([Type.Literal('subscription'), Type.Literal('lane')]),
      depth: Count('Events in it, in-flight ones included'),
      inFlight: Count('Events handed out and not yet settled'),
      oldestAcceptedAt: Millis(
        'When the oldest was accepted, since the epoch; 0: none, or it is on disk only',
      ),
    }),
  ),
});

export const LedgerSchema = Type.Object({
  mesher: NodeId,
  links: Type.Array(
    Type.Object({
      peer: NodeId,
      verdict: Type.Object({
        at: Millis('When they were compared, since the epoch'),
        outcome: Type.Union([Type.Literal('agrees'), Type.Literal('differs'), Type.Literal('unknown')], {
          description: 'unknown: the other end could not be asked, or does not remember',
        }),
        text: Type.String({
          description: 'Between which sequences nothing was lost, or exactly what differs',
        }),
      }),
      lanes: Type.Array(
        Type.Object({
          lane: Type.String({ description: 'Of one that is sent: the name of its queue' }),
          direction: Type.Union([Type.Literal('out'), Type.Literal('in')]),
          incarnation: Type.Integer({
            description: 'Of the sender: its sequences count anew with each start',
          }),
          from: Count('First sequence that the ledger covers; 0: none'),
          to: Count('Last one'),
          sent: Count('Events sent, again or not'),
          acked: Count('Events acked'),
          received: Count('Events that are on disk at the other end'),
          duplicate: Count('Events that came again'),
          refused: Type.Record(Type.String(), Type.Integer(), { description: 'Not sent, by reason' }),
          difference: Type.String({ description: "What differs; '' where nothing does" }),
        }),
      ),
    }),
  ),
});

export const RoutesSchema = Type.Object({
  topic: Type.String(),
  subscriptions: Type.Array(
    Type.Object({ name: Type.String(), filter: Type.String(), group: Type.String(), why: Type.String() }),
  ),
  destinations: Type.Array(
    Type.Object({
      kind: Type.Union([Type.Literal('mesher'), Type.Literal('cluster')]),
      destination: Type.String(),
      landing: Type.Optional(NodeId),
      roundTripMs: Type.Optional(Millis('Measured round trip')),
      because: Type.Array(Type.Object({ filter: Type.String(), group: Type.String(), node: NodeId })),
      why: Type.String(),
    }),
  ),
  others: Type.Array(Type.Object({ destination: Type.String(), cluster: Type.String(), why: Type.String() })),
});

export const TraceSchema = Type.Object({
  source: Type.String(),
  id: Type.String(),
  hops: Type.Array(
    Type.Object({
      at: Millis("When, by that mesher's clock, since the epoch"),
      mesher: NodeId,
      cluster: Cluster,
      what: Type.Unsafe<HopKind>({ type: 'string', enum: HOP_KINDS }),
      peer: Type.String({ description: "Where to or from: a mesher, or a cluster; '' for none" }),
      subscription: Type.String({ description: "'' for none; an ephemeral one goes by its filter" }),
      reason: Type.String({ description: 'As metrics name it; of what nobody wanted, the topic' }),
      attempt: Count('Times that it was handed out by then'),
    }),
    { description: 'In the order in which they happened: by cause, then by the clocks' },
  ),
  verdict: Type.String({ description: 'One sentence: where it is, or why it stopped' }),
  waits: Type.Array(Type.Object({ mesher: NodeId, cluster: Cluster, why: Type.String() }), {
    description: 'Where it still lies, and why',
  }),
  silent: Type.Array(Type.Object({ mesher: NodeId, why: Type.String() }), {
    description: 'Meshers that could not be asked, or did not answer',
  }),
});
