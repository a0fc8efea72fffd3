// Role: an HTTP client that saturates a server with publish requests over keep-alive connections, one request at a time on
// each. The same for a mesher and for the reference. Every answer must be 202, and the first ones must name their event.

import { saturate } from '../harness/load.ts';
import { idOf } from '../harness/payloads.ts';
import { playRole } from '../harness/role.ts';
import { Connection } from './connection.ts';
import { Requests, type RequestOptions } from './requests.ts';

export interface HttpLoadRole {
  open(options: HttpLoadOptions): Promise<void>;
  /** Numbers go on from call to call. */
  load(options: { readonly seconds: number }): Promise<HttpLoaded>;
}

export interface HttpLoadOptions extends RequestOptions {
  readonly port: number;
  readonly connections: number;
}

export interface HttpLoaded {
  readonly requests: number;
  readonly events: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Answers whose body is read, per call of `load`. */
const LOOKED_AT = 20;

let opened: { readonly requests: Requests; readonly connections: readonly Connection[] } | undefined;
let sent = 0;

playRole<HttpLoadRole>({
  open: async (options) => {
    const connections = await Promise.all(
      Array.from({ length: options.connections }, () => Connection.open(options.port)),
    );
    opened = { requests: new Requests(options), connections };
  },
  load: async ({ seconds }) => {
    if (!opened) throw new Error('open comes first');
    const { requests, connections } = opened;
    const first = sent;
    const send = async (n: number, lane: number): Promise<void> => {
      const number = first + n;
      const response = await connections[lane]?.exchange(requests.request(number));
      if (response?.status !== 202)
        throw new Error(`answered ${response?.status}: ${response?.body.toString()}`);
      if (n >= LOOKED_AT) return;
      const id = idOf(number * requests.eventsEach);
      if (!response.body.includes(id)) throw new Error(`${id} is not in ${response.body.toString()}`);
    };
    const {
      done,
      seconds: took,
      latency,
    } = await saturate({ seconds, concurrency: connections.length, send });
    sent += done;
    const { p50Ms, p99Ms } = latency;
    return { requests: done, events: done * requests.eventsEach, seconds: took, p50Ms, p99Ms };
  },
});
