// What the mesher in B, the publisher and the subscriber call the same things.

export const TOPIC = 'bench/durable';
export const SUBSCRIPTION = 'subscriber';
