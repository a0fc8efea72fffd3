// Durable subscriptions are found and made by the HTTP API of the mesher where they are, or are thought to be.

import { CausewayError, refusalOf } from './errors.ts';
import type { SubscribeOptions } from './types.ts';

const ANSWER_TIMEOUT_MS = 30_000;

export type Wanted = Pick<SubscribeOptions, 'topic' | 'group' | 'delivery'>;
type Members = Readonly<Record<string, unknown>>;

/** Sends one request and reads its JSON. Rejects with CausewayError: what the mesher refuses, and what cannot be reached. */
export type Ask = (url: string, method: string, body: Members | undefined) => Promise<Members>;

/** A subscription as the mesher that has it calls it. */
export interface FoundSubscription {
  readonly name: string;
  /** The mesher where it was made; undefined: one that is too old to tell. */
  readonly madeOn: string | undefined;
}

/** Where it is, for who remembers the mesher where it was made. */
export interface Sought {
  readonly name: string;
  readonly madeOn: string | undefined;
}

/** Rejects with `subscription-not-found`, or `subscription-elsewhere`. */
export async function findSubscription(ask: Ask, http: string, sought: Sought): Promise<FoundSubscription> {
  return foundIn(await ask(urlOf(http, sought), 'GET', undefined), sought.name);
}

/**
 * Makes the subscription, or replaces it where it is not as wanted; what is not said of its delivery may be anything. One that is as
 * wanted is left alone, since replacing it ends the streams of its other consumers. Rejects with `subscription-elsewhere`.
 */
export async function ensureSubscription(
  ask: Ask,
  http: string,
  sought: Sought,
  wanted: Wanted,
): Promise<FoundSubscription> {
  const url = urlOf(http, sought);
  const existing = await ask(url, 'GET', undefined).catch((error: unknown) => {
    if (error instanceof CausewayError && error.code === 'subscription-not-found') return undefined;
    throw error;
  });
  if (existing !== undefined && isAsWanted(existing, wanted)) return foundIn(existing, sought.name);
  const { topic, group, delivery } = wanted;
  const made = await ask(url, 'PUT', {
    topic,
    ...(group === undefined ? {} : { group }),
    ...(delivery === undefined ? {} : { delivery }),
  });
  return foundIn(made, sought.name);
}

function urlOf(http: string, { name, madeOn }: Sought): string {
  const query = madeOn === undefined ? '' : `?madeOn=${encodeURIComponent(madeOn)}`;
  return `${http}/v1/subscriptions/${encodeURIComponent(name)}${query}`;
}

function foundIn({ name, madeOn }: Members, asked: string): FoundSubscription {
  return {
    name: typeof name === 'string' ? name : asked,
    madeOn: typeof madeOn === 'string' ? madeOn : undefined,
  };
}

function isAsWanted(existing: Members, { topic, group, delivery = {} }: Wanted): boolean {
  const settings = membersOf(existing['delivery']) ?? {};
  return (
    existing['topic'] === topic &&
    (existing['group'] ?? undefined) === group &&
    Object.entries(delivery).every(([name, value]) => settings[name] === value)
  );
}

export const askByHttp: Ask = async (url, method, body) => {
  const answer = await send(url, method, body);
  const { status, text } = answer;
  const members = membersOf(parse(text));
  if (status >= 200 && status < 300 && members !== undefined) return members;
  const { code, detail, title, retryable, node, http } = members ?? {};
  if (typeof code !== 'string')
    throw new CausewayError('internal', `${url} answered ${status} and no JSON; is it a Causeway mesher?`, {
      status,
      retryable: status === 503,
    });
  const known = new CausewayError(code, '');
  throw refusalOf({
    code,
    detail: typeof detail === 'string' ? detail : String(title),
    status,
    retryable: typeof retryable === 'boolean' ? retryable : known.retryable,
    ...(typeof node === 'string' && { node }),
    ...(typeof http === 'string' && { http }),
  });
};

async function send(
  url: string,
  method: string,
  body: Members | undefined,
): Promise<{ status: number; text: string }> {
  const json = body === undefined ? undefined : JSON.stringify(body); // what it throws is no word of the mesher's
  try {
    const response = await fetch(url, {
      method,
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      headers: { accept: 'application/json' },
      ...(json === undefined ? {} : { body: json, headers: { 'content-type': 'application/json' } }),
    });
    return { status: response.status, text: await response.text() };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CausewayError('mesher-unreachable', `no answer from ${url} (${why})`, { cause });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // said by the caller, who knows what was asked
  }
}

function membersOf(value: unknown): Members | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}
