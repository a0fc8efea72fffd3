// How one delivered event looks in JSON, the same in pulls and streams: the structured CloudEvent, and beside it what
// the mesh knows of it. Built as text, so that JSON data goes out as it came in.

import { formatJsonEvent } from '../../node/core/cloud-event-json.ts';
import { formatToken, NO_TOKEN } from '../../node/core/delivery-token.ts';
import type { DecodedDelivery } from '../../node/core/ports.ts';

/** One line: in JSON, line breaks stand between tokens only, where a space means the same. */
export function formatDelivery({ event, token, attempt, content }: DecodedDelivery): string {
  const { topic, origin, sequence, acceptedAt, path, deadLetter } = event;
  const beside = JSON.stringify({
    topic,
    attempt,
    ...(token === NO_TOKEN ? {} : { token: formatToken(token) }),
    origin,
    sequence,
    acceptedAt: new Date(acceptedAt).toISOString(),
    path,
    deadLetter,
  });
  return `{"event":${formatJsonEvent(content).replace(/[\r\n]+/g, ' ')},${beside.slice(1)}`;
}
