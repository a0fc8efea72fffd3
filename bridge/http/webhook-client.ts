// Sends one request to a sink. Redirects are not followed, answers are read for their status and headers only, and
// every failure is a value: what a sink does is never our error.

import type { IncomingMessage } from 'node:http';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Headers } from './webhook-handshake.ts';

export interface SinkRequest {
  readonly method: 'OPTIONS' | 'POST';
  readonly url: string;
  readonly headers: Headers;
  readonly body: string | Uint8Array | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export type SinkResponse =
  | { readonly kind: 'answer'; readonly status: number; readonly headers: Headers }
  | { readonly kind: 'failure'; readonly why: string };

export interface SinkClient {
  send(request: SinkRequest): Promise<SinkResponse>;
  close(): void;
}

/** Bytes of an answer's body that are read, to keep its connection; a longer one costs the connection. */
const ANSWER_BYTES_MAX = 64 * 1024;

export function createSinkClient(socketsPerHost: number): SinkClient {
  const options = { keepAlive: true, maxSockets: socketsPerHost, maxFreeSockets: 8 };
  const http = new HttpAgent(options);
  const https = new HttpsAgent(options);
  /** Rejects where no request can be made of it: headers that HTTP does not allow. */
  const request = (sink: SinkRequest): Promise<SinkResponse> =>
    new Promise((resolve) => {
      const timeout = AbortSignal.timeout(sink.timeoutMs);
      const fail = (error: Error): void => {
        const why = timeout.aborted
          ? `the sink did not answer within ${sink.timeoutMs} ms`
          : `the sink cannot be reached (${error.message})`;
        resolve({ kind: 'failure', why });
      };
      const body = typeof sink.body === 'string' ? Buffer.from(sink.body) : sink.body;
      const isSecure = new URL(sink.url).protocol === 'https:';
      const outgoing = (isSecure ? httpsRequest : httpRequest)(sink.url, {
        method: sink.method,
        agent: isSecure ? https : http,
        signal: AbortSignal.any([timeout, sink.signal]),
        headers: { 'user-agent': 'causeway', ...sink.headers, 'content-length': String(body?.length ?? 0) },
      });
      outgoing.on('error', fail);
      outgoing.on('response', (response) => {
        drain(response, fail);
        resolve({ kind: 'answer', status: response.statusCode ?? 0, headers: headersOf(response) });
      });
      outgoing.end(body);
    });
  return {
    send: (sink) =>
      request(sink).catch((error: unknown) => ({
        kind: 'failure',
        why: `the request cannot be sent (${error instanceof Error ? error.message : String(error)})`,
      })),
    close: () => {
      http.destroy();
      https.destroy();
    },
  };
}

function drain(response: IncomingMessage, fail: (error: Error) => void): void {
  let bytes = 0;
  response.on('error', fail);
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) response.destroy();
  });
}

function headersOf(response: IncomingMessage): Headers {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}
