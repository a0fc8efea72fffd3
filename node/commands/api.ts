// The mesher's HTTP API as commands use it. Every failure is a MeshError: a refusal keeps the code that the mesher gave
// in its problem details, an unreachable mesher says its URL and how to start one. Decides no retries: callers do.

import { ERRORS, MeshError } from '../core/errors.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Flag } from './arguments.ts';

export const urlFlag: Flag = {
  value: 'url',
  description: "The mesher's HTTP API; else CAUSEWAY_URL, else http://127.0.0.1:7400.",
};

export interface Request {
  readonly signal?: AbortSignal | undefined;
}

const answerTimeoutMs = 30_000;

export class Api {
  readonly url: string;

  constructor(url: string) {
    this.url = url.replace(/\/+$/, '');
  }

  /** The flag, else CAUSEWAY_URL, else the default. */
  static at(flag: string | undefined, env: Readonly<Record<string, string | undefined>>): Api {
    const given = flag ?? (env['CAUSEWAY_URL'] || undefined);
    const url = given ?? 'http://127.0.0.1:7400';
    if (!URL.canParse(url) || !/^https?:/.test(url)) {
      throw new MeshError(
        'invalid-request',
        `${flag === undefined ? 'CAUSEWAY_URL' : '--url'} is '${url}'; give one like http://127.0.0.1:7400`,
      );
    }
    return new Api(url);
  }

  get(path: string, request: Request = {}): Promise<unknown> {
    return this.#send('GET', path, request, undefined);
  }

  post(path: string, value: unknown, request: Request = {}): Promise<unknown> {
    return this.#send('POST', path, request, JSON.stringify(value));
  }

  put(path: string, value: unknown, request: Request = {}): Promise<unknown> {
    return this.#send('PUT', path, request, JSON.stringify(value));
  }

  /** The answer's JSON; undefined where it has no body. */
  async #send(method: string, path: string, request: Request, body: string | undefined): Promise<unknown> {
    const deadline = AbortSignal.timeout(answerTimeoutMs);
    const signal = request.signal === undefined ? deadline : AbortSignal.any([deadline, request.signal]);
    const headers = {
      accept: 'application/json',
      ...(body !== undefined && { 'content-type': 'application/json' }),
    };
    const asked = fetch(this.url + path, { method, headers, signal, ...(body !== undefined && { body }) });
    const response = await this.#reading(asked);
    const text = await this.#reading(response.text());
    if (!response.ok) throw refusalOf(response, text, this.url);
    return text === '' ? undefined : parseBody(text, this.url);
  }

  async #reading<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      throw unreachable(this.url, cause);
    }
  }
}

/** Foreign errors of fetch and of sockets become ours here, and nowhere else. */
export function unreachable(url: string, cause: unknown): MeshError {
  const why = cause instanceof Error ? cause : new Error(String(cause));
  const inner = why.cause instanceof Error ? why.cause : why;
  const code = codeOf(inner) ?? codeOf(why) ?? inner.message;
  const what = why.name === 'TimeoutError' ? 'it did not answer in time' : (reasons[code] ?? code);
  const { port, hostname } = new URL(url);
  const start = ['127.0.0.1', 'localhost', '[::1]'].includes(hostname)
    ? "start one with 'causeway up'"
    : 'see that it runs';
  return new MeshError(
    'mesher-unreachable',
    `no mesher at ${url} (${what}); ${start}, or name another with --url`,
    {
      cause,
      details: { url, port, reason: code },
    },
  );
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection lost',
  UND_ERR_SOCKET: 'connection lost',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the host name cannot be looked up',
  EHOSTUNREACH: 'host unreachable',
  ETIMEDOUT: 'it did not answer in time',
};

function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  if ('code' in error && typeof error.code === 'string') return error.code;
  // Several addresses tried, each with its own error.
  return 'errors' in error && Array.isArray(error.errors) ? codeOf(error.errors[0]) : undefined;
}

/** RFC 9457 problem details as the error they were made of; what is none becomes `internal`. */
function refusalOf(response: Response, text: string, url: string): MeshError {
  const details = { status: response.status };
  const problem = asObject(tryParse(text));
  const code = problem?.['code'];
  if (typeof code === 'string' && Object.hasOwn(ERRORS, code)) {
    const detail = problem?.['detail'] ?? problem?.['title'];
    const { title: _title, detail: _detail, type: _type, code: _code, ...rest } = problem ?? {};
    return new MeshError(
      code as ErrorCode,
      typeof detail === 'string' ? detail : ERRORS[code as ErrorCode].title,
      {
        details: { ...rest, ...details },
      },
    );
  }
  const known = response.status === 404 ? 'not-found' : response.status === 503 ? 'overloaded' : 'internal';
  return new MeshError(
    known,
    `${url} answered ${response.status} ${response.statusText}; is it a Causeway mesher?`,
    { details },
  );
}

function parseBody(text: string, url: string): unknown {
  const value = tryParse(text);
  if (value === undefined)
    throw new MeshError(
      'internal',
      `${url} answered with something that is no JSON; is it a Causeway mesher?`,
    );
  return value;
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // said by the caller, who knows what was asked
  }
}

export function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

export function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}
