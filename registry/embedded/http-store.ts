// The client's side of protocol.ts: a registry store over HTTP, at one server or at several gateways in front of one etcd.
// node:http rather than fetch, because fetch takes no certificate authority. Reads and repeatable writes are tried once
// more elsewhere; a compare-and-set is repeated only when it surely was never sent.

import http from 'node:http';
import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { ERRORS, MeshError } from '../../node/core/errors.ts';
import type { ErrorCode } from '../../node/core/errors.ts';
import { hasAborted } from '../../node/core/has-aborted.ts';
import type { MemberList, MemberRecord, Setting } from '../../node/core/ports.ts';
import type { RegistryAddress } from '../address.ts';
import { EndpointPicker } from '../failover.ts';
import { REGISTRY_LIMITS } from '../limits.ts';
import { isMember } from '../record.ts';
import type { Scheduler } from '../scheduler.ts';
import type { Log, Overwrite, RegistryStore } from '../store.ts';
import { keepWatching } from '../watching.ts';
import * as protocol from './protocol.ts';

export interface HttpStoreOptions {
  readonly address: RegistryAddress;
  readonly timeoutMs: number;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer } | undefined;
}

export interface HttpStorePorts {
  readonly scheduler: Scheduler;
  readonly random: () => number;
  readonly log: Log;
}

interface Call {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** After /v1/federations/{federation}, encoded. */
  readonly path: string;
  readonly body?: unknown;
  /** False: doing it twice is not the same as once. */
  readonly repeatable: boolean;
}

/** No answer. `sent` false: not a byte of the request reached anybody. */
class NoAnswer extends Error {
  readonly sent: boolean;

  constructor(cause: Error, sent: boolean) {
    super(cause.message || ('code' in cause ? String(cause.code) : 'no answer'), { cause });
    this.sent = sent;
  }
}

const neverSent = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

export class HttpStore implements RegistryStore {
  readonly #options: HttpStoreOptions;
  readonly #ports: HttpStorePorts;
  readonly #closing = new AbortController();
  readonly #picker: EndpointPicker<string>;
  readonly #agent: http.Agent;
  /** A kept socket may be one that the server is just closing: what must not happen twice gets a new one. */
  readonly #freshAgent: http.Agent;
  readonly #watches = new Set<Promise<void>>();

  constructor(options: HttpStoreOptions, ports: HttpStorePorts) {
    this.#options = options;
    this.#ports = ports;
    const { endpoints, secure } = options.address;
    const { scheduler } = ports;
    this.#picker = new EndpointPicker({
      endpoints,
      timeoutMs: options.timeoutMs,
      scheduler,
      signal: this.#closing.signal,
    });
    // Idle sockets are given up before the server's 72 s, so that a request seldom meets one that is just closing.
    const agent = (how: http.AgentOptions) =>
      secure ? new https.Agent({ ...how, ...options.tls }) : new http.Agent(how);
    this.#agent = agent({ keepAlive: true, maxSockets: 16, timeout: 30_000 });
    this.#freshAgent = agent({ keepAlive: false, maxSockets: 16 });
  }

  async nextRevision(federation: string): Promise<number> {
    const call: Call = { method: 'POST', path: '/revision', repeatable: true };
    return (await this.#call(federation, call, protocol.revisionAnswer)).revision;
  }

  async putMember(record: MemberRecord, ttlMs: number, overwrite: Overwrite): Promise<string | undefined> {
    const path = `/members/${encodeURIComponent(record.node)}`;
    const call: Call = { method: 'PUT', path, body: { record, ttlMs, overwrite }, repeatable: true };
    return (await this.#call(record.federation, call, protocol.putMemberAnswer)).lease ?? undefined;
  }

  async keepAlive(federation: string, node: string, lease: string): Promise<boolean> {
    const path = `/members/${encodeURIComponent(node)}/keep-alive`;
    const call: Call = { method: 'POST', path, body: { lease }, repeatable: true };
    return (await this.#call(federation, call, protocol.keepAliveAnswer)).kept;
  }

  async removeMember(federation: string, node: string, lease: string | undefined): Promise<void> {
    const query = lease === undefined ? '' : `?lease=${encodeURIComponent(lease)}`;
    const path = `/members/${encodeURIComponent(node)}${query}`;
    await this.#call(federation, { method: 'DELETE', path, repeatable: true }, undefined);
  }

  async members(federation: string): Promise<MemberList> {
    const call: Call = { method: 'GET', path: '/members', repeatable: true };
    const { revision, members } = await this.#call(federation, call, protocol.membersAnswer);
    const records = members.filter(isMember).filter((record) => record.federation === federation);
    if (records.length < members.length) {
      const left = members.length - records.length;
      this.#ports.log({
        level: 'warn',
        message: 'The registry sent members that are no records.',
        details: { left },
      });
    }
    return { revision, members: records };
  }

  watchMembers(federation: string, changed: () => void, signal: AbortSignal): void {
    const until = AbortSignal.any([signal, this.#closing.signal]);
    const watchOnce = (hint: () => void) => this.#watchOnce(federation, until, hint);
    const watch = keepWatching(watchOnce, changed, until, this.#ports).finally(() =>
      this.#watches.delete(watch),
    );
    this.#watches.add(watch);
  }

  async getSetting(federation: string, key: string): Promise<Setting | undefined> {
    const call: Call = { method: 'GET', path: `/setting?key=${encodeURIComponent(key)}`, repeatable: true };
    return (await this.#call(federation, call, protocol.settingAnswer)).setting ?? undefined;
  }

  async listSettings(federation: string, prefix: string): Promise<Setting[]> {
    const call: Call = {
      method: 'GET',
      path: `/settings?prefix=${encodeURIComponent(prefix)}`,
      repeatable: true,
    };
    return (await this.#call(federation, call, protocol.settingsAnswer)).settings;
  }

  async putSetting(
    federation: string,
    key: string,
    value: string,
    expected: number,
  ): Promise<Setting | undefined> {
    const call: Call = { method: 'PUT', path: '/setting', body: { key, value, expected }, repeatable: false };
    return (await this.#call(federation, call, protocol.settingAnswer)).setting ?? undefined;
  }

  async deleteSetting(federation: string, key: string, expected: number): Promise<boolean> {
    const path = `/setting?key=${encodeURIComponent(key)}&expected=${String(expected)}`;
    return (
      await this.#call(
        federation,
        { method: 'DELETE', path, repeatable: false },
        protocol.deleteSettingAnswer,
      )
    ).deleted;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#agent.destroy();
    this.#freshAgent.destroy();
    await Promise.all(this.#watches);
  }

  #call(federation: string, call: Call, answer: undefined): Promise<undefined>;
  #call<Schema extends TSchema>(federation: string, call: Call, answer: Schema): Promise<Static<Schema>>;
  async #call(federation: string, call: Call, answer: TSchema | undefined): Promise<unknown> {
    const { address, timeoutMs } = this.#options;
    if (this.#closing.signal.aborted) throw new MeshError('shutting-down', 'The registry client is closed.');
    try {
      const body = await this.#picker.call(
        (endpoint, ms) => this.#once(endpoint, federation, call, ms),
        (error) => mayRepeat(error, call),
      );
      if (answer === undefined || Value.Check(answer, body)) return body;
      throw new MeshError('registry-unavailable', 'what answers there is no Causeway registry');
    } catch (error) {
      if (hasAborted(this.#closing.signal))
        throw new MeshError('shutting-down', 'The registry client is closed.', { cause: error });
      if (error instanceof MeshError && error.code !== 'registry-unavailable') throw error;
      if (!(error instanceof MeshError) && !(error instanceof NoAnswer)) throw error;
      throw new MeshError(
        'registry-unavailable',
        `The registry at ${address.text} did not answer within ${String(timeoutMs)} ms (${error.message}).`,
        { cause: error },
      );
    }
  }

  async #once(endpoint: string, federation: string, call: Call, ms: number): Promise<unknown> {
    return this.#within(ms, async (signal) => {
      const response = await this.#send(endpoint, federation, call, signal);
      const text = await readAll(response);
      if (response.statusCode === 204) return undefined;
      const body = parseJson(text);
      if (response.statusCode === 200) return body;
      throw refusal(response.statusCode ?? 0, body);
    });
  }

  /** The signal aborts when the time is up or the store closes, as long as `run` goes on. */
  async #within<Result>(ms: number, run: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const late = new AbortController();
    const cancel = this.#ports.scheduler.after(ms, () => {
      late.abort();
    });
    try {
      return await run(AbortSignal.any([late.signal, this.#closing.signal]));
    } finally {
      cancel();
    }
  }

  /** Resolves with the answer's head. */
  #send(endpoint: string, federation: string, call: Call, signal: AbortSignal): Promise<IncomingMessage> {
    const { address, user, password } = this.#options;
    const scheme = address.secure ? 'https' : 'http';
    const url = `${scheme}://${endpoint}/v1/federations/${encodeURIComponent(federation)}${call.path}`;
    const body = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body));
    const options = {
      method: call.method,
      agent: call.repeatable ? this.#agent : this.#freshAgent,
      signal,
      headers:
        body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length },
      ...(user === undefined ? {} : { auth: `${user}:${password ?? ''}` }),
    };
    return new Promise((resolve, reject) => {
      const request = (address.secure ? https : http).request(url, options, resolve);
      request.on('error', (error: NodeJS.ErrnoException) => {
        reject(new NoAnswer(error, !neverSent.has(error.code ?? '')));
      });
      request.end(body);
    });
  }

  /** Returns or throws when the stream ends. The server sends a hint as soon as it stands. */
  async #watchOnce(federation: string, until: AbortSignal, hint: () => void): Promise<void> {
    const response = await this.#picker.call(
      (endpoint, ms) => this.#openWatch(endpoint, federation, ms, until),
      (error) => error instanceof NoAnswer && !until.aborted,
    );
    // Three beats missed: the connection is dead, whatever the kernel says.
    response.socket.setTimeout(3 * protocol.watchBeatMs, () => {
      response.destroy(new Error('the watch was silent'));
    });
    let line = '';
    for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
      const lines = (line + chunk).split('\n');
      line = (lines.pop() ?? '').slice(0, 1024);
      if (lines.some((each) => each.startsWith('data:'))) hint();
    }
  }

  async #openWatch(
    endpoint: string,
    federation: string,
    ms: number,
    until: AbortSignal,
  ): Promise<IncomingMessage> {
    return this.#within(ms, async (opening) => {
      const call: Call = { method: 'GET', path: '/watch', repeatable: true };
      const response = await this.#send(endpoint, federation, call, AbortSignal.any([opening, until]));
      if (response.statusCode === 200) return response;
      throw refusal(response.statusCode ?? 0, parseJson(await readAll(response)));
    });
  }
}

function mayRepeat(error: unknown, call: Call): boolean {
  if (error instanceof NoAnswer) return call.repeatable || !error.sent;
  return call.repeatable && error instanceof MeshError && error.code === 'registry-unavailable';
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > REGISTRY_LIMITS.answerBytesMax) throw new Error('the answer is too large');
      chunks.push(chunk);
    }
  } catch (error) {
    throw new NoAnswer(error instanceof Error ? error : new Error(String(error)), true);
  }
  return Buffer.concat(chunks).toString();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A proxy's page, perhaps: whoever reads the value finds that it is not what was asked for.
    return undefined;
  }
}

/** What an answer that is not 200 means. A server that cannot serve now is as good as none. */
function refusal(status: number, body: unknown): MeshError {
  const problem = Value.Check(protocol.problemAnswer, body) ? body : undefined;
  const detail = problem === undefined ? `HTTP status ${String(status)}` : problem.detail;
  const code = problem !== undefined && isErrorCode(problem.code) ? problem.code : undefined;
  // A proxy in between may ask for credentials too, in words of its own.
  if (code === undefined && (status === 401 || status === 403))
    return new MeshError('registry-refused', detail);
  if (code === undefined || (status >= 500 && code !== 'overloaded')) {
    return new MeshError('registry-unavailable', detail);
  }
  return new MeshError(code, detail);
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}
