// Bounds of what meshers tell and show of each other. A dashboard is looked at by people: what is beyond is counted, not listed.

/** How often a mesher looks at its own counters, ms: two clocks and a few hundred numbers. */
export const SAMPLE_MS = 2_000;
/** A value of the history, ms, and how many there are: an hour. */
export const HISTORY_STEP_MS = 10_000;
export const HISTORY_STEPS = 360;

/** Subscriptions, and topics, that one mesher tells of and keeps the history of. */
export const TOLD_MAX = 200;
/** Ephemeral subscriptions looked at in a sample: a mesher may have thousands, and all are much alike. */
export const EPHEMERAL_MAX = 1_000;
/** Links, members and copies in one answer: beyond, a federation of one hop has other troubles. */
export const LINKS_MAX = 500;

/** Of a whole overview. */
export const OVERVIEW_MESHERS_MAX = 500;
export const OVERVIEW_LINKS_MAX = 2_500;
export const OVERVIEW_SUBSCRIPTIONS_MAX = 1_000;
export const OVERVIEW_TOPICS_MAX = 200;
export const OVERVIEW_ALARMS_MAX = 200;
/** Publishers, and listeners, shown for one topic. */
export const TOPIC_ENDS_MAX = 50;

/** Bytes of a peer's answer that are read: some 1,500 for each of what is told of, which is ten times what is usual. */
export const REPORT_BYTES_MAX = 1024 * 1024;
export const HISTORY_BYTES_MAX = 256 * 1024;

/** How often peers are asked while somebody watches, ms. */
export const ROUND_MS = 2_000;
/** Peers asked at the same time. */
export const ASKING_MAX = 16;
/** A report that is older, ms, is not shown any more. */
export const REPORT_STALE_MS = 15_000;
/** A peer whose answer cannot be used is left alone for so long, ms: parsing it is work, and it says the same again. */
export const UNUSABLE_PAUSE_MS = 30_000;
/** Somebody who asked once may ask again: for so long, ms, peers are asked as if somebody watched. */
export const LINGER_MS = 30_000;
/** The first one to look waits for so long, ms, for those that were just asked. */
export const FIRST_WAIT_MS = 3_000;
