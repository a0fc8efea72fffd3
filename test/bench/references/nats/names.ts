// What the servers, the publisher and the subscriber call the same things.

export const STREAM = 'EVENTS';
export const SUBJECTS = 'events.>';
export const SUBJECT = 'events.orders';
export const CONSUMER = 'subscriber';
export const DOMAINS = { a: 'A', b: 'B' } as const;
