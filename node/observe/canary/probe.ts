// What a probe is: an event like any other, on a topic that no user can name, with nothing in it. A mesher of one cluster publishes it for
// another cluster; whoever gets it there publishes the answer, for that mesher alone.
//
//   $canary/probe/<cluster>   to one mesher of the cluster: all of its meshers listen as one group
//   $canary/answer/<node>     back to the mesher that asked

import type { CloudEvent } from '../../core/cloud-event.ts';
import { hash32, type NewEvent, type NodeId } from '../../core/event.ts';
import { decodeCloudEvent, encodeCloudEvent } from '../../wire/cloud-event-protobuf.ts';

export const CANARY_GROUP = '$canary';
const TYPE = 'causeway.canary';
const SOURCE = '/canary/';

export function probeTopic(cluster: string): string {
  return `$canary/probe/${cluster}`;
}

export function answerTopic(node: NodeId): string {
  return `$canary/answer/${node}`;
}

/** The same for a probe and its answer. `by`: who publishes this one. Each goes over the lane that its id chooses, so all get their turn. */
export function canaryEvent(topic: string, by: NodeId, id: string, expiresAt: number): NewEvent {
  const event: CloudEvent = {
    id,
    source: SOURCE + by,
    type: TYPE,
    attributes: new Map(),
    data: undefined,
  };
  return { topic, expiresAt, key: '', hash: hash32(id), cloudEvent: encodeCloudEvent(event) };
}

/** Undefined: it is none. */
export function readCanary(cloudEvent: Uint8Array): { readonly id: string; readonly by: NodeId } | undefined {
  try {
    const { id, source, type } = decodeCloudEvent(cloudEvent);
    if (type !== TYPE || !source.startsWith(SOURCE)) return undefined;
    return { id, by: source.slice(SOURCE.length) };
  } catch {
    return undefined; // somebody else's nonsense on our topic
  }
}
