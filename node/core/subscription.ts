// What a subscription is, and the defaults of its delivery settings. Parsing and validation of what users
// write is in `parseSubscription`; everything behind it may rely on the result.

import { MeshError } from './errors.ts';
import type { NodeId } from './event.ts';
import type { Limits } from './limits.ts';
import { nearest } from './nearest.ts';
import { checkFilter, checkTopic } from './topic.ts';

export interface DeliverySettings {
  /** How long a delivered event may stay unsettled before it is delivered again, ms. */
  readonly ackTimeoutMs: number;
  /** Deliveries after the first before the event goes to the dead-letter topic. */
  readonly retries: number;
  /** Wait before the first retry, ms; doubles each time up to one minute; jitter takes up to half of it. */
  readonly backoffMs: number;
  /** Events delivered and not yet settled, over all sessions of this subscription. */
  readonly maxInFlight: number;
  /** Events with the same ordering key are delivered one after the other's settlement. */
  readonly ordered: boolean;
  /** Where rejected events go; where none is named, and where nobody listens there, they are kept in `$dead-letters`. */
  readonly deadLetterTopic: string | undefined;
  /** Events the queue may hold; undefined: as many as the disk takes. */
  readonly queueEventsMax: number | undefined;
  /** What happens to events beyond `queueEventsMax`. */
  readonly whenFull: 'drop-oldest' | 'drop-newest';
}

export const DELIVERY_DEFAULTS: DeliverySettings = Object.freeze({
  ackTimeoutMs: 30_000,
  retries: 10,
  backoffMs: 1_000,
  maxInFlight: 4_096,
  ordered: false,
  deadLetterTopic: undefined,
  queueEventsMax: undefined,
  whenFull: 'drop-oldest',
});

/** A durable subscription: it has a name and a queue on disk. */
export interface Subscription {
  readonly name: string;
  readonly topic: string;
  /** Group name; undefined for none. */
  readonly group: string | undefined;
  /** Webhook address; undefined: events are streamed or pulled. */
  readonly sink: string | undefined;
  /** The mesher on which it was made, where that is gone for good and this one is its heir (heirs.ts). */
  readonly adoptedFrom: NodeId | undefined;
  readonly delivery: DeliverySettings;
}

/** What is known of a subscription's queue at one moment. */
export interface SubscriptionState {
  readonly subscription: Subscription;
  /** Events on disk for it, delivered and unsettled ones included. */
  readonly depth: number;
  readonly inFlight: number;
  /** Open streams and waiting pulls. */
  readonly sessions: number;
  /** Wall clock at which the oldest event waiting was accepted, ms; 0: none waits, or it is not in memory. */
  readonly oldestAcceptedAt: number;
}

const SUBSCRIPTION_NAME = /^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$/;
/** Holds dead letters for which no subscription exists. Reachable by pull and stream like any other. */
export const DEAD_LETTERS = '$dead-letters';

/** What an adopted subscription is called where its name is taken: names have at most 128 characters. */
export function adoptedName(name: string, adoptedFrom: NodeId): string {
  return `${name.slice(0, 100)}~${adoptedFrom.slice(-20)}`;
}

/** Whether a subscription of this name is the one that was called `asked` on the mesher where it was made. */
export function isNamed(name: string, asked: string, adoptedFrom: NodeId | undefined): boolean {
  return name === asked || (adoptedFrom !== undefined && name === adoptedName(asked, adoptedFrom));
}

const SUBSCRIPTION_KEYS = ['topic', 'group', 'sink', 'delivery'] as const;

/** Ranges of the numbers in `delivery`, both ends included: for the parser and for the API's description of them. */
export const DELIVERY_RANGES = Object.freeze({
  ackTimeoutMs: { min: 100, max: 86_400_000 },
  retries: { min: 0, max: 1_000 },
  backoffMs: { min: 0, max: 3_600_000 },
  maxInFlight: { min: 1, max: 100_000 },
  queueEventsMax: { min: 1, max: 1_000_000_000 },
});

/** UTF-8 bytes of a webhook's address: what most servers take as a request line. */
const SINK_BYTES_MAX = 4096;

/**
 * What a user wrote (parsed JSON) → a subscription with its defaults filled in. Throws `invalid-subscription`, or
 * `invalid-filter` and `invalid-topic` for its topics; the message and `details.path` say where.
 */
export function parseSubscription(
  name: string,
  body: unknown,
  limits: Pick<Limits, 'topicBytesMax' | 'topicLevelsMax'>,
): Subscription {
  if (name === DEAD_LETTERS)
    throw wrong('name', `${DEAD_LETTERS} is always there and cannot be changed; pull and settle empty it`);
  if (!SUBSCRIPTION_NAME.test(name)) {
    throw wrong(
      'name',
      `${show(name)} must be 1 to 128 letters, digits, '.', '_', '~' or '-', and start with a letter or digit`,
    );
  }
  const given = keysOf('', body, SUBSCRIPTION_KEYS);
  if (given.topic === undefined)
    throw wrong('topic', `it is missing; name what you want, for example "orders/#"`);
  return {
    name,
    topic: within('topic', () => checkFilter(textAt('topic', given.topic), limits)),
    group: given.group === undefined ? undefined : parseGroup(given.group),
    sink: given.sink === undefined ? undefined : parseSink(given.sink),
    adoptedFrom: undefined,
    delivery: parseDelivery(given.delivery ?? {}, limits),
  };
}

/** Group names travel in route records and in keys: the same shape as subscription names. */
export function parseGroup(value: unknown): string {
  const group = textAt('group', value);
  if (SUBSCRIPTION_NAME.test(group)) return group;
  throw wrong(
    'group',
    `${show(group)} must be 1 to 128 letters, digits, '.', '_', '~' or '-', and start with a letter or digit`,
  );
}

function parseSink(value: unknown): string {
  const sink = textAt('sink', value);
  const url = URL.canParse(sink) ? new URL(sink) : undefined;
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') {
    throw wrong('sink', `${show(sink)} must be an absolute https or http address`);
  }
  if (url.username !== '' || url.password !== '') {
    throw wrong(
      'sink',
      'a user and password in the address would be shown to everyone who reads the subscription; use the access_token parameter',
    );
  }
  if (url.hash !== '') throw wrong('sink', 'a fragment (#…) is never sent; leave it out');
  if (Buffer.byteLength(sink) > SINK_BYTES_MAX)
    throw wrong('sink', `it is longer than ${SINK_BYTES_MAX} bytes`);
  return sink;
}

function parseDelivery(
  body: unknown,
  limits: Pick<Limits, 'topicBytesMax' | 'topicLevelsMax'>,
): DeliverySettings {
  const given = keysOf('delivery', body, Object.keys(DELIVERY_DEFAULTS) as (keyof DeliverySettings)[]);
  const number = <Key extends keyof typeof DELIVERY_RANGES>(key: Key): number | DeliverySettings[Key] =>
    given[key] === undefined
      ? DELIVERY_DEFAULTS[key]
      : numberAt(`delivery.${key}`, given[key], DELIVERY_RANGES[key]);
  const { ordered, deadLetterTopic: dead, whenFull } = given;
  if (ordered !== undefined && typeof ordered !== 'boolean') {
    throw wrong('delivery.ordered', `it must be true or false, not ${show(ordered)}`);
  }
  if (whenFull !== undefined && whenFull !== 'drop-oldest' && whenFull !== 'drop-newest') {
    throw wrong('delivery.whenFull', `it must be "drop-oldest" or "drop-newest", not ${show(whenFull)}`);
  }
  const path = 'delivery.deadLetterTopic';
  return {
    ackTimeoutMs: number('ackTimeoutMs'),
    retries: number('retries'),
    backoffMs: number('backoffMs'),
    maxInFlight: number('maxInFlight'),
    ordered: ordered ?? DELIVERY_DEFAULTS.ordered,
    deadLetterTopic:
      dead === undefined
        ? DELIVERY_DEFAULTS.deadLetterTopic
        : within(path, () => checkTopic(textAt(path, dead), limits)),
    queueEventsMax: number('queueEventsMax'),
    whenFull: whenFull ?? DELIVERY_DEFAULTS.whenFull,
  };
}

/** The object's members, null ones taken as absent. Unknown ones are errors: a setting that has no effect is worse. */
function keysOf<Key extends string>(
  path: string,
  body: unknown,
  known: readonly Key[],
): Partial<Record<Key, unknown>> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw wrong(path, `it must be a JSON object, not ${show(body)}`);
  }
  const given: Partial<Record<Key, unknown>> = {};
  for (const [key, value] of Object.entries<unknown>({ ...body })) {
    const match = known.find((each) => each === key);
    if (match === undefined) {
      const meant = nearest(key, known);
      const help = meant === undefined ? `known are ${known.join(', ')}` : `did you mean '${meant}'?`;
      throw wrong(path === '' ? key : `${path}.${key}`, `there is no such setting; ${help}`);
    }
    if (value !== null) given[match] = value;
  }
  return given;
}

function textAt(path: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw wrong(path, `it must be a string, not ${show(value)}`);
}

function numberAt(path: string, value: unknown, { min, max }: { min: number; max: number }): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw wrong(path, `it must be a whole number from ${min} to ${max}, not ${show(value)}`);
}

/** The topic's own error, with the place in the subscription before it. */
function within<T>(path: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    throw new MeshError(error.code, `${path}: ${error.message}`, {
      cause: error,
      details: { ...error.details, path },
    });
  }
}

function wrong(path: string, why: string): MeshError {
  const at = path.length > 160 ? `${path.slice(0, 160)}…` : path;
  return new MeshError('invalid-subscription', at === '' ? `the body: ${why}` : `${at}: ${why}`, {
    details: { path: at },
  });
}

function show(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
