// The abuse protection of HTTP 1.1 Web Hooks for Event Delivery 1.0.2 (§4), and what a sink's answers mean for a
// delivery (§2.2). Pure: requests and verdicts, no sockets, no time.

import type { CloudEvent } from '../../node/core/cloud-event.ts';
import { contentTypeOf } from '../../node/core/cloud-event-json.ts';
import type { HttpMessage } from './binding.ts';
import { formatBinary, formatStructured } from './binding.ts';
import type { WebhookOptions } from './config.ts';

export type Headers = Readonly<Record<string, string>>;

/** `perMinute` undefined: no limit. */
export type Verdict =
  | { readonly allowed: true; readonly perMinute: number | undefined }
  | { readonly allowed: false; readonly why: string };

/** §4.1 */
export function handshakeHeaders(options: WebhookOptions, callbackKey: string): Headers {
  return {
    'webhook-request-origin': options.origin,
    ...(options.publicUrl === undefined
      ? {}
      : { 'webhook-request-callback': `${options.publicUrl.replace(/\/$/, '')}/v1/webhooks/${callbackKey}` }),
  };
}

/** §4.2: headers alone are consent; any status may come with any site's OPTIONS. */
export function judgeHandshake(options: WebhookOptions, status: number, headers: Headers): Verdict {
  const allowed = headers['webhook-allowed-origin']?.trim();
  if (allowed === undefined) {
    return { allowed: false, why: `the sink answered OPTIONS with ${status} and no WebHook-Allowed-Origin` };
  }
  if (allowed !== '*' && allowed.toLowerCase() !== options.origin.toLowerCase()) {
    return {
      allowed: false,
      why: `the sink allows the origin ${JSON.stringify(allowed.slice(0, 100))}, not ${options.origin}`,
    };
  }
  return judgeRate(headers);
}

/** §4.2.2; we ask for no rate, so where the sink names none, there is none. */
export function judgeRate(headers: Headers): Verdict {
  const rate = headers['webhook-allowed-rate']?.trim();
  if (rate === undefined || rate === '*') return { allowed: true, perMinute: undefined };
  if (/^[1-9]\d{0,8}$/.test(rate)) return { allowed: true, perMinute: Number(rate) };
  return {
    allowed: false,
    why: `WebHook-Allowed-Rate ${JSON.stringify(rate.slice(0, 40))} is neither * nor a positive whole number`,
  };
}

/**
 * §2.1: a delivery must carry a payload and its content type. Binary mode where the event has both; an event without
 * data, or with bytes that nobody has named a type for, goes in structured mode rather than with a type made up.
 */
export function deliveryMessage(event: CloudEvent, origin: string): HttpMessage {
  const hasType = contentTypeOf(event) !== undefined || event.data?.type === 'text';
  const message = event.data && hasType ? formatBinary(event) : formatStructured(event);
  return {
    ...message,
    headers: { ...message.headers, 'webhook-request-origin': origin, 'cache-control': 'no-store' },
  };
}

export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'reject'; readonly why: string }
  | { readonly kind: 'gone'; readonly why: string }
  /** `pauseMs`: nothing at all is sent for so long. */
  | { readonly kind: 'retry'; readonly why: string; readonly pauseMs: number | undefined };

/** The longest time a sink can make us wait: it may have meant seconds and written milliseconds. */
const PAUSE_MS_MAX = 60 * 60_000;

export function judgeDelivery(status: number, headers: Headers, nowMs: number): Outcome {
  if (status >= 200 && status < 300) return { kind: 'done' };
  const why = `the sink answered ${status}`;
  if (status === 410) return { kind: 'gone', why };
  if (status === 415) return { kind: 'reject', why };
  const asked = status === 429 || status === 503 ? parseRetryAfter(headers['retry-after'], nowMs) : undefined;
  // A sink that says "too many" without saying until when is given a second.
  const pauseMs = asked ?? (status === 429 ? 1_000 : undefined);
  return { kind: 'retry', why, pauseMs };
}

/** Seconds or an HTTP date (RFC 9110 §10.2.3). */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(PAUSE_MS_MAX, Math.max(0, ms));
}
