// The bodies of the admin API as commands read them: checked against the schemas that the mesher describes them with, so
// that another version of a mesher is one clear error and not a column of `undefined`.

import Type from 'typebox';
import { Value } from 'typebox/value';
import { MeshError } from '../core/errors.ts';
import type { LedgerView, TraceView } from '../core/overview.ts';
import type { FederationView, LinksView, QueueView, RoutesView } from '../core/views.ts';
import {
  FederationSchema,
  LedgerSchema,
  LinksSchema,
  QueuesSchema,
  RoutesSchema,
  TraceSchema,
} from '../http/schemas.ts';
import type { Api } from './api.ts';

export async function fetchFederation(api: Api, signal: AbortSignal): Promise<FederationView> {
  return read(api, '/v1/federation', FederationSchema, signal);
}

export async function fetchLinks(api: Api, signal: AbortSignal): Promise<LinksView> {
  return read(api, '/v1/links', LinksSchema, signal);
}

export async function fetchLedger(api: Api, signal: AbortSignal): Promise<LedgerView> {
  return read(api, '/v1/ledger', LedgerSchema, signal);
}

export async function fetchQueues(api: Api, signal: AbortSignal): Promise<readonly QueueView[]> {
  const { queues } = await read<{ queues: QueueView[] }>(api, '/v1/queues', QueuesSchema, signal);
  return queues;
}

const SubscriptionAsked = Type.Object({ topic: Type.String(), group: Type.Optional(Type.String()) });

const NO_SUBSCRIPTION: ReadonlySet<string> = new Set(['subscription-not-found', 'subscription-elsewhere']);

/** What a durable subscription asks for; undefined: there is none of this name on that mesher. */
export async function fetchSubscription(
  api: Api,
  name: string,
  signal: AbortSignal,
): Promise<{ readonly topic: string; readonly group?: string } | undefined> {
  try {
    return await read(api, `/v1/subscriptions/${encodeURIComponent(name)}`, SubscriptionAsked, signal);
  } catch (error) {
    if (error instanceof MeshError && NO_SUBSCRIPTION.has(error.code)) return undefined;
    throw error;
  }
}

export async function fetchRoutes(api: Api, topic: string, signal: AbortSignal): Promise<RoutesView> {
  return read(api, `/v1/routes?topic=${encodeURIComponent(topic)}`, RoutesSchema, signal);
}

export async function fetchTrace(
  api: Api,
  source: string,
  id: string,
  signal: AbortSignal,
): Promise<TraceView> {
  return read(api, `/v1/trace?${new URLSearchParams({ source, id }).toString()}`, TraceSchema, signal);
}

/** A test of the HTTP API holds the schemas against the types of core/views.ts. */
async function read<View>(api: Api, path: string, schema: Type.TSchema, signal: AbortSignal): Promise<View> {
  const body = await api.get(path, { signal });
  if (Value.Check(schema, body)) return body as View;
  const [first] = Value.Errors(schema, body);
  const where = first === undefined ? '' : ` at '${first.instancePath}' (${first.message})`;
  throw new MeshError(
    'internal',
    `the answer to ${path} is not as expected${where}; are command and mesher of the same version?`,
  );
}
