// What a frame may hold, whatever the mesher on the other end is configured to take: the bounds of the protocol itself, so
// that a decoder allocates nothing which the frame does not pay for. Where a mesher's own limits are lower, it refuses the
// request in words; what is beyond these is no frame of this protocol.

/** UTF-8 bytes of a topic, a filter, a name, a reason: as many as MQTT allows a topic. */
export const TEXT_BYTES_MAX = 65_535;
/** Events in one PUBLISH or DELIVER; and their topics and origins, of which each stands for one event at least. */
export const FRAME_EVENTS_MAX = 65_536;
/** Clusters of one origin: an event's path has at most 16. */
export const CLUSTERS_MAX = 64;
/** Ranges of delivery numbers in one SETTLE or SETTLED, all settlements together. */
export const RANGES_MAX = 65_536;
/** Deliveries in one SETTLE: more than any subscription may have in flight (100,000), and each of them costs its receiver. */
export const SETTLED_MAX = 131_072;
/** Requests in one ACCEPTED. */
export const REQUESTS_MAX = 65_536;
/** Neighbours that WELCOME names; a client looks at no more. */
export const NEIGHBOURS_MAX = 16;
/** A delivery's attempt: leaves the lowest bit of 31 for the flag beside it. */
export const ATTEMPT_MAX = 2 ** 30 - 1;
