// Real events to show the mesh with: the webhook payloads that GitHub documents, each made a CloudEvent of type
// `com.github.<event>.<action>`, ordered by repository.

import examples from '@octokit/webhooks-examples' with { type: 'json' };
import { asArray, asObject } from './api.ts';

export interface GithubEvent {
  readonly type: string;
  readonly source: string;
  /** Ordering key: what happened in one repository arrives in order. */
  readonly partitionkey: string;
  /** The payload as JSON text. */
  readonly data: string;
}

export function githubEvents(): readonly GithubEvent[] {
  return asArray(examples).flatMap((entry) => {
    const { name, examples: payloads } = asObject(entry) ?? {};
    return asArray(payloads).map((payload) => githubEvent(String(name), asObject(payload) ?? {}));
  });
}

function githubEvent(name: string, payload: Readonly<Record<string, unknown>>): GithubEvent {
  const action = typeof payload['action'] === 'string' ? `.${payload['action']}` : '';
  const where = ownerOf(payload);
  return {
    type: `com.github.${name}${action}`,
    source: `https://github.com/${where}`,
    partitionkey: where,
    data: JSON.stringify(payload),
  };
}

/** `owner/repo`, or who else it is about: not every event is one of a repository. */
function ownerOf(payload: Readonly<Record<string, unknown>>): string {
  const repository = asObject(payload['repository'])?.['full_name'];
  if (typeof repository === 'string') return repository;
  const owners = ['organization', 'enterprise', 'sender'].map((key) => {
    const owner = asObject(payload[key]);
    return owner?.['login'] ?? owner?.['slug'];
  });
  return owners.find((owner) => typeof owner === 'string') ?? 'github';
}

/** Structured CloudEvent in JSON; the payload is not parsed again. */
export function cloudEventText(event: GithubEvent, id: string, time: string): string {
  const { type, source, partitionkey, data } = event;
  const attributes = {
    specversion: '1.0',
    id,
    source,
    type,
    time,
    partitionkey,
    datacontenttype: 'application/json',
  };
  return `${JSON.stringify(attributes).slice(0, -1)},"data":${data}}`;
}
