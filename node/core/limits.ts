// Every bound, with its unit and its reason, in one place. What happens at each bound is said beside it.

/**
 * UTF-8 bytes of a filter or a group's name on the wire, whatever the mesher that sends it allows: a hostile member may
 * have a million interests here, but none of them large.
 */
export const FILTER_BYTES_MAX = 4096;
/** Levels of a filter or topic on the wire: bounds the filter tree, and the walk of it, whatever a peer sends. */
export const FILTER_LEVELS_MAX = 256;
/**
 * Best-effort bytes that one step sends over one link: what the link takes is known after the step only. Above: dropped, reason
 * `slow-link`.
 */
export const LOOSE_STEP_BYTES_MAX = 8 * 1024 * 1024;
/**
 * Of one lane's window: a cluster has several, and what one reads from disk should be in memory yet when the others come to it.
 */
export const LANE_WINDOW_BYTES_MAX = 1024 * 1024;
/** Groups, and bytes of their names, that one event's directive may hold. Above: `too-many-groups`, counted. */
export const DIRECTIVE_NAMES_MAX = 4096;
export const DIRECTIVE_BYTES_MAX = 512 * 1024;
/** Events in one frame on the wire: room to raise `frameEventsMax` without a new protocol; some MB of objects at worst. */
export const FRAME_EVENTS_MAX = 4096;
/**
 * Of one bucket of a mesher's remembered interests: in a record of a million of them, 1 KiB each. Above, which is a hostile
 * member, the rest is not remembered, and counted.
 */
export const REMEMBERED_BUCKET_BYTES_MAX = 4 * 1024 * 1024;
/** Records named in one message on the wire: room to raise `membersMax`, which both ends need not have the same. */
export const HEADS_MAX = 16_384;
/**
 * Members away that one peer may tell of to a mesher to which the registry never listed them; their interests are bounded by
 * `interestsMax` in all. Whoever means harm can invent some. Above: refused, reason `too-many-away`; so is what would be more
 * than half of `membersMax` of all peers.
 */
export const AWAY_FROM_PEER_MAX = 256;
/** UTF-8 bytes of a member's record: what a registry takes (registry/limits.ts). Larger ones are told to nobody. */
export const MEMBER_BYTES_MAX = 32 * 1024;

/**
 * UTF-8 bytes of any text in an event's record (topic, key, names, reasons), whatever the mesher that wrote it allows: far
 * below the 64 KiB that a length of 16 bits can say.
 */
export const RECORD_TEXT_BYTES_MAX = 4096;
/** Attributes of one event: each costs some objects wherever it is decoded. The CloudEvents of the wild have fewer than twenty. */
export const ATTRIBUTES_MAX = 1024;

export interface Limits {
  /** One event's CloudEvent bytes. Above: `event-too-large`. */
  readonly eventBytesMax: number;
  /** UTF-8 bytes of an ordering key (`partitionkey`): it is kept beside its event wherever that waits. Above: `invalid-event`. */
  readonly keyBytesMax: number;
  /** Events in one publish request. Above: `batch-too-large`. */
  readonly batchEventsMax: number;
  /** Bytes of one publish request. Above: `batch-too-large`. */
  readonly batchBytesMax: number;
  /** Bytes accepted but not yet on disk, publishers and links together. Above: publishers `overloaded`, links wait. */
  readonly stagedBytesMax: number;
  /** Events in one block: an entry's settled set is rewritten whole, so it stays near a kilobyte. */
  readonly blockEventsMax: number;
  /** Bytes in one block: one read brings back this much for a lagging queue. */
  readonly blockBytesMax: number;
  /** Bytes of events one queue keeps in memory; the rest waits on disk and is read back. */
  readonly queueWindowBytes: number;
  /** Events one queue keeps in memory. */
  readonly queueWindowEvents: number;
  /** Bytes of one subscription's events that its consumers have and have not settled: they are in memory. Above: it hands out no more than 1,000. */
  readonly inFlightBytesMax: number;
  /** Lanes to each remote cluster: enough to use several landing meshers, few enough to keep frames full. */
  readonly lanesPerCluster: number;
  /** Bytes sent and not yet acked on one lane: the receiver may grant less. */
  readonly laneInFlightBytes: number;
  /** Bytes of events in one data frame: what fits, with all that stands before them, into one record of a link's encryption. */
  readonly frameBytesMax: number;
  /** Events in one data frame. */
  readonly frameEventsMax: number;
  /** Bytes of any frame on a link. Above: the link is closed, since the peer is not one of ours. */
  readonly linkFrameBytesMax: number;
  /** Events waiting for one ephemeral session. Above: the oldest is dropped, reason `slow-subscriber`. */
  readonly ephemeralQueueEvents: number;
  /** Their bytes: thousands of consumers may have stopped reading. Above: the same, but for the newest. */
  readonly ephemeralQueueBytes: number;
  /** Subscriptions of one mesher. Above: `too-many-subscriptions`. */
  readonly subscriptionsMax: number;
  /** Open sessions (streams, pulls) of one mesher. Above: `overloaded`. */
  readonly sessionsMax: number;
  /** Interests in one mesher's record. Above: a peer's is not kept, and the peer sent everything. */
  readonly interestsMax: number;
  /** Operations in one route delta: keeps a gossip message under 64 KiB in the usual case. */
  readonly deltaOpsMax: number;
  /** Bytes of one route delta. A larger one is announced by its head only, and pulled. */
  readonly gossipBytesMax: number;
  /** Deltas the owner keeps for peers that missed some; older gaps are repaired bucket by bucket. */
  readonly deltaRingMax: number;
  /** Bytes of interests in one answer to a route pull. */
  readonly pullBytesMax: number;
  /** Bytes of others' durable interests that one tick writes, one bucket at least: the rest waits for the next tick. */
  readonly rememberBytesMax: number;
  /** Members one mesher knows, dead ones included. Above: new records are refused, reason `too-many-members`. */
  readonly membersMax: number;
  /** UTF-8 bytes of a topic or filter (MQTT allows 65,535; LevelDB keys and route records want less). */
  readonly topicBytesMax: number;
  /** Levels of a topic or filter: bounds the walk of the filter tree. */
  readonly topicLevelsMax: number;
  /** Routing decisions kept for hot topics. */
  readonly routeCacheMax: number;
}

/** Meshers that keep an event, at most: with more, waiting for all of them is what fails. */
export const REPLICAS_MAX = 5;

export const LIMITS: Limits = Object.freeze({
  eventBytesMax: 1024 * 1024,
  keyBytesMax: 1024,
  batchEventsMax: 10_000,
  batchBytesMax: 16 * 1024 * 1024,
  stagedBytesMax: 64 * 1024 * 1024,
  blockEventsMax: 1024,
  blockBytesMax: 1024 * 1024,
  queueWindowBytes: 4 * 1024 * 1024,
  queueWindowEvents: 4096,
  inFlightBytesMax: 64 * 1024 * 1024,
  lanesPerCluster: 8,
  laneInFlightBytes: 2 * 1024 * 1024,
  frameBytesMax: 60 * 1024,
  frameEventsMax: 512,
  linkFrameBytesMax: 4 * 1024 * 1024,
  ephemeralQueueEvents: 8192,
  ephemeralQueueBytes: 8 * 1024 * 1024,
  subscriptionsMax: 20_000,
  sessionsMax: 20_000,
  interestsMax: 1_000_000,
  deltaOpsMax: 512,
  gossipBytesMax: 64 * 1024,
  deltaRingMax: 1024,
  pullBytesMax: 256 * 1024,
  rememberBytesMax: 64 * 1024,
  membersMax: 4096,
  topicBytesMax: 1024,
  topicLevelsMax: 64,
  routeCacheMax: 8192,
});

/** Relations that must hold between bounds; the text of each broken one. Checked when a mesher starts. */
export function brokenRelations(limits: Limits): string[] {
  const broken: string[] = [];
  const must = (holds: boolean, text: string): void => {
    if (!holds) broken.push(text);
  };
  // A single event may exceed blockBytesMax or frameBytesMax: it then travels alone.
  must(
    limits.eventBytesMax + 64 * 1024 <= limits.linkFrameBytesMax,
    'linkFrameBytesMax must hold one event and 64 KiB of headers',
  );
  must(limits.frameBytesMax <= limits.linkFrameBytesMax, 'frameBytesMax must not exceed linkFrameBytesMax');
  must(limits.frameBytesMax <= limits.laneInFlightBytes, 'laneInFlightBytes must hold one frame');
  must(limits.eventBytesMax <= limits.batchBytesMax, 'batchBytesMax must hold one event');
  must(limits.batchBytesMax <= limits.stagedBytesMax, 'stagedBytesMax must hold one batch');
  must(limits.blockEventsMax <= 65_536, 'blockEventsMax must fit 16-bit indices');
  must(limits.topicBytesMax <= FILTER_BYTES_MAX, `topicBytesMax must be at most ${FILTER_BYTES_MAX}`);
  must(limits.topicLevelsMax <= FILTER_LEVELS_MAX, `topicLevelsMax must be at most ${FILTER_LEVELS_MAX}`);
  must(limits.keyBytesMax <= RECORD_TEXT_BYTES_MAX, `keyBytesMax must be at most ${RECORD_TEXT_BYTES_MAX}`);
  must(limits.frameEventsMax <= FRAME_EVENTS_MAX, `frameEventsMax must be at most ${FRAME_EVENTS_MAX}`);
  must(limits.membersMax < HEADS_MAX, `membersMax must be below ${HEADS_MAX}`);
  must(limits.gossipBytesMax <= limits.linkFrameBytesMax, 'gossipBytesMax must not exceed linkFrameBytesMax');
  must(
    limits.subscriptionsMax + limits.sessionsMax <= limits.interestsMax,
    'interestsMax must hold subscriptionsMax and sessionsMax, each of which may be an interest',
  );
  must(
    limits.pullBytesMax * 2 <= limits.linkFrameBytesMax,
    'pullBytesMax must be at most half of linkFrameBytesMax',
  );
  return broken;
}

/** Whether a topic or filter of a peer is within the protocol's bounds, which are wider than any mesher's own. */
export function isWireTopic(text: string): boolean {
  if (text.length > FILTER_BYTES_MAX) return false;
  let levels = 1;
  for (let at = text.indexOf('/'); at >= 0; at = text.indexOf('/', at + 1)) levels++;
  return levels <= FILTER_LEVELS_MAX;
}
