// What gossipsub sends for our deltas, computed from its settings (node/net/gossip.ts, and the library's own where we set none) and
// the Protobuf encoding of its messages. A publisher sends to everybody (flood publishing); whoever gets a message first forwards
// it within its mesh, except to where it came from; and each heartbeat tells a part of the others which messages there were.

/** As node/net/network.ts names it, in a federation called acme. */
export const GOSSIP_TOPIC = '/causeway/acme/routes/1';
/** Of gossipsub's messages, as node/net/gossip.ts makes them. */
const MESSAGE_ID_BYTES = 16;
const LAZY_PEERS_MIN = 6;
const LAZY_SHARE = 0.25;
/** Heartbeats for which a message is told of, each a second after the other. */
const TOLD_HEARTBEATS = 3;
const TOLD_MAX = 5_000;
/**
 * Peers in a mesher's mesh, on average: it wants six, and is taken by others up to twelve. Measured with the library: 7.1
 * among 20 meshers, 7.2 among 60; row `10.gossip` says what it is now.
 */
export const MESH_DEGREE = 7;

export interface GossipRates {
  /** Messages: published to all, and forwarded. */
  readonly messages: number;
  /** `IHAVE`: what each heartbeat tells. */
  readonly told: number;
}

/** Bytes sent by one mesher in a second. */
export function gossipBytes(
  meshers: number,
  changesPerSecond: number,
  deltaBytes: number,
  degree = MESH_DEGREE,
): GossipRates {
  const peers = meshers - 1;
  const mesh = Math.min(degree, peers);
  const perChange = messageBytes(deltaBytes) * (peers / meshers) * (1 + mesh - mesh / peers);
  const candidates = peers - mesh;
  const told = Math.min(candidates, Math.max(LAZY_PEERS_MIN, LAZY_SHARE * candidates));
  const ids = Math.min(TOLD_MAX, changesPerSecond * TOLD_HEARTBEATS);
  // below a message a second, some heartbeats have nothing to tell
  const heartbeats = Math.min(1, ids);
  return {
    messages: changesPerSecond * perChange,
    told: heartbeats * told * toldBytes(Math.max(1, ids)),
  };
}

/** RPC { messages: [{ data, topic }] }, with the length before it. */
function messageBytes(dataBytes: number): number {
  return prefixed(field(field(dataBytes) + field(GOSSIP_TOPIC.length)));
}

/** RPC { control: { ihave: [{ topicID, messageIDs }] } } */
function toldBytes(ids: number): number {
  return prefixed(field(field(field(GOSSIP_TOPIC.length) + ids * field(MESSAGE_ID_BYTES))));
}

function field(length: number): number {
  return 1 + prefixed(length);
}

function prefixed(length: number): number {
  return (length < 0x80 ? 1 : length < 0x4000 ? 2 : 3) + length;
}
