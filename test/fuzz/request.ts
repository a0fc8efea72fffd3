// An HTTP request as text, for targets that answer requests without sockets: request line, header lines, an empty line, body.

import type { InjectOptions } from 'fastify';

const METHODS = ['GET', 'PUT', 'POST', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'] as const;
/** What Node's own parser would not let through, and what the injected request would choke on. */
const NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const NO_URL = /[^\x21-\x7e]/;

export function requestText(line: string, headers: Readonly<Record<string, string>>, body: unknown): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const text = typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body);
  return Buffer.from(`${[line, ...lines].join('\r\n')}\r\n\r\n${text}`);
}

/** Undefined: no server would get to see it. */
export function parseRequest(input: Uint8Array): (InjectOptions & { readonly url: string }) | undefined {
  const bytes = Buffer.from(input);
  const end = bytes.indexOf('\r\n\r\n');
  const [line = '', ...lines] = (end < 0 ? bytes : bytes.subarray(0, end)).toString('latin1').split('\r\n');
  const space = line.indexOf(' ');
  const method = METHODS.find((each) => each === line.slice(0, space));
  const url = line.slice(space + 1);
  if (method === undefined || !url.startsWith('/') || NO_URL.test(url)) return undefined;
  const headers = new Map<string, string>();
  for (const each of lines) {
    const colon = each.indexOf(':');
    const name = each.slice(0, colon).toLowerCase();
    const value = each.slice(colon + 1).trim();
    if (colon < 1 || !NAME.test(name) || NO_VALUE.test(value)) return undefined;
    // Framing is Node's: a body that is not as long as it says never gets here.
    if (name !== 'content-length' && name !== 'transfer-encoding') headers.set(name, value);
  }
  const body = end < 0 ? Buffer.alloc(0) : bytes.subarray(end + 4);
  const hasBody = body.length > 0 && method !== 'GET' && method !== 'HEAD';
  return { method, url, headers: Object.fromEntries(headers), ...(hasBody && { payload: body }) };
}
