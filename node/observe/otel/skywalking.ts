// SkyWalking's `sw8` header (Cross Process Propagation Headers Protocol, v3), and the trace context that it stands for.
//
//   sw8 := sample "-" traceId "-" segmentId "-" spanId "-" service "-" instance "-" endpoint "-" address
//          sample is 0 or 1, spanId a whole number; all others are Base64 of UTF-8. Less than 2 KiB in all.
//
// SkyWalking's ids are texts, OpenTelemetry's are 16 and 8 bytes. They become what the OpenTelemetry Collector's receiver for
// SkyWalking makes of them, so that spans that its agents report there are in one trace with ours:
//
//   id := uuid [ "." thread "." time ]          uuid: 32 hex digits, in a trace's id also with hyphens
//   uuid ^ (0:u32 thread:u32 time:u64, little-endian)                         for a trace
//   the two halves, one ^ the other, of uuid ^ (spanId:u32 thread:u32 time:u64)   for a span
//
// Of ids of any other form it makes nothing; here they become the first bytes of their SHA-256.

import { hash } from 'node:crypto';
import type { TraceContext } from './trace-context.ts';

export interface Sw8 {
  readonly sampled: boolean;
  readonly traceId: string;
  readonly segmentId: string;
  /** The parent, in its segment. */
  readonly spanId: number;
  readonly service: string;
  readonly instance: string;
  readonly endpoint: string;
  /** At which the sender reached the receiver. */
  readonly address: string;
}

const SW8_BYTES_MAX = 2048;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;
const PLAIN_ID = /^([0-9a-fA-F]{32})(?:\.(\d{1,19})\.(\d{1,19}))?$/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Undefined: it is no sw8 header of version 3. */
export function parseSw8(text: string): Sw8 | undefined {
  if (text.length >= SW8_BYTES_MAX) return undefined;
  const [sample, traceId, segmentId, span, ...others] = text.split('-');
  if ((sample !== '0' && sample !== '1') || others.length !== 4) return undefined;
  if (span === undefined || !/^\d{1,9}$/.test(span)) return undefined;
  const texts = [traceId, segmentId, ...others].map((field) => decodeText(field ?? ''));
  const [trace = '', segment = '', service, instance, endpoint, address] = texts;
  if (trace === '' || segment === '') return undefined;
  if (service === undefined || instance === undefined || endpoint === undefined || address === undefined)
    return undefined;
  return {
    sampled: sample === '1',
    traceId: trace,
    segmentId: segment,
    spanId: Number(span),
    service,
    instance,
    endpoint,
    address,
  };
}

export function contextOfSw8({
  sampled,
  traceId,
  segmentId,
  spanId,
}: Sw8): TraceContext & { parentId: string } {
  return { traceId: otelTraceId(traceId), parentId: otelSpanId(segmentId, spanId), sampled };
}

function otelTraceId(text: string): string {
  const plain = /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/.test(text)
    ? text.replaceAll('-', '')
    : text;
  return notZero(mix(plain, 0)?.toString('hex')) ?? hash('sha256', text, 'hex').slice(0, 32);
}

function otelSpanId(segmentId: string, spanId: number): string {
  const mixed = mix(segmentId, spanId);
  if (mixed) for (let i = 0; i < 8; i++) mixed[i] = (mixed[i] ?? 0) ^ (mixed[i + 8] ?? 0);
  return (
    notZero(mixed?.toString('hex', 0, 8)) ?? hash('sha256', `${spanId}-${segmentId}`, 'hex').slice(0, 16)
  );
}

/** Undefined: an id of another form. */
function mix(id: string, extra: number): Buffer | undefined {
  const [, uuid, thread = '0', time = '0'] = PLAIN_ID.exec(id) ?? [];
  if (uuid === undefined) return undefined;
  const mixed = Buffer.from(uuid, 'hex');
  const other = Buffer.alloc(16);
  other.writeUInt32LE(extra, 0);
  other.writeBigUInt64LE(BigInt.asUintN(64, BigInt(time)), 8);
  other.writeUInt32LE(Number(BigInt.asUintN(32, BigInt(thread))), 4);
  for (let i = 0; i < 16; i++) mixed[i] = (mixed[i] ?? 0) ^ (other[i] ?? 0);
  return mixed;
}

function notZero(hex: string | undefined): string | undefined {
  return hex !== undefined && /[^0]/.test(hex) ? hex : undefined;
}

function decodeText(field: string): string | undefined {
  if (!BASE64.test(field)) return undefined;
  try {
    return utf8.decode(Buffer.from(field, 'base64'));
  } catch {
    return undefined; // not UTF-8
  }
}
