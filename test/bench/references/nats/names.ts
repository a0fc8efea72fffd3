// What the servers, the publisher and the subscriber call the same things, and what is said of them in docs/performance.md.

export const STREAM = 'EVENTS';
export const SUBJECTS = 'events.>';
export const SUBJECT = 'events.orders';
export const CONSUMER = 'subscriber';
export const DOMAINS = { a: 'A', b: 'B' } as const;

/** Beside as many events as Causeway's publisher has: from 512 to 16,384 the CPU per event is the same, of 16 KiB fewer do better. */
export const BYTES_UNDER_WAY = 2 * 1024 * 1024;
/** Asked for ahead; from 500 to 5,000 the CPU per event is the same. */
export const MESSAGES_AHEAD = 1000;
