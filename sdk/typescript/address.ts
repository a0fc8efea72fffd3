// Where a mesher is, as users write it: the address of its HTTP API, or of its streaming protocol.

import { CausewayError } from './errors.ts';

export interface Address {
  /** As the user wrote it, for messages. */
  readonly text: string;
  /** ws:// or wss://, the whole path. */
  readonly socket: string;
  /** Base URL of the HTTP API, without a slash at its end. */
  readonly http: string;
}

const PATH = '/v1/ws';

/** Throws `invalid-request`. */
export function parseAddress(text: string): Address {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^(?:http|ws)s?:$/.test(url.protocol))
    throw new CausewayError(
      'invalid-request',
      `${JSON.stringify(text)} is no address of a mesher; give one like http://127.0.0.1:7400`,
    );
  const secure = url.protocol === 'https:' || url.protocol === 'wss:' ? 's' : '';
  const path = url.pathname.replace(/\/+$/, '');
  const base = `${url.host}${path.endsWith(PATH) ? path.slice(0, -PATH.length) : path}`;
  return { text, socket: `ws${secure}://${base}${PATH}`, http: `http${secure}://${base}` };
}
