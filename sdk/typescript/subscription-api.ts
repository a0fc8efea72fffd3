// Durable subscriptions are made by the HTTP API of the mesher that the client is connected with.

import { CausewayError, refusalOf } from './errors.ts';
import type { SubscribeOptions } from './types.ts';

const ANSWER_TIMEOUT_MS = 30_000;

type Wanted = Pick<SubscribeOptions, 'topic' | 'group' | 'delivery'>;
type Members = Readonly<Record<string, unknown>>;

/**
 * Makes the subscription, or replaces it where it is not as wanted; what is not said of its delivery may be anything. One that is as
 * wanted is left alone, since replacing it ends the streams of its other consumers.
 */
export async function ensureSubscription(http: string, name: string, wanted: Wanted): Promise<void> {
  const url = `${http}/v1/subscriptions/${encodeURIComponent(name)}`;
  const existing = await ask(url, 'GET', undefined).catch((error: unknown) => {
    if (error instanceof CausewayError && error.code === 'subscription-not-found') return undefined;
    throw error;
  });
  if (existing !== undefined && isAsWanted(existing, wanted)) return;
  const { topic, group, delivery } = wanted;
  await ask(url, 'PUT', {
    topic,
    ...(group === undefined ? {} : { group }),
    ...(delivery === undefined ? {} : { delivery }),
  });
}

function isAsWanted(existing: Members, { topic, group, delivery = {} }: Wanted): boolean {
  const settings = membersOf(existing['delivery']) ?? {};
  return (
    existing['topic'] === topic &&
    (existing['group'] ?? undefined) === group &&
    Object.entries(delivery).every(([name, value]) => settings[name] === value)
  );
}

async function ask(url: string, method: string, body: Members | undefined): Promise<Members> {
  const answer = await send(url, method, body);
  const { status, text } = answer;
  const members = membersOf(parse(text));
  if (status >= 200 && status < 300 && members !== undefined) return members;
  const { code, detail, title, retryable } = members ?? {};
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
  });
}

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
