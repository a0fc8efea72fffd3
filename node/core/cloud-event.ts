// A CloudEvent 1.0 as parsed at the edge: our own readonly type, so that hot paths copy and freeze nothing.
// Formats turn it into bytes and back: cloud-event-json.ts (JSON), ../wire/cloud-event-protobuf.ts (Protobuf).

/** An attribute with its CloudEvents type (spec 1.0.2 §"Type System"). `timestamp` keeps the RFC 3339 text as given. */
export type AttributeValue =
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'integer'; readonly value: number }
  | { readonly type: 'string' | 'uri' | 'uri-ref' | 'timestamp'; readonly value: string }
  | { readonly type: 'binary'; readonly value: Uint8Array };

/**
 * `text`: UTF-8 text as it came; where `datacontenttype` is JSON (or absent, which the JSON format reads as JSON) it is
 * the JSON text. `binary`: bytes.
 */
export type EventData =
  { readonly type: 'text'; readonly value: string } | { readonly type: 'binary'; readonly value: Uint8Array };

export interface CloudEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** Optional and extension attributes by name, in the order given: datacontenttype, dataschema, subject, time, … */
  readonly attributes: ReadonlyMap<string, AttributeValue>;
  readonly data: EventData | undefined;
}

/** True for `application/json`, `text/json`, any `+json`, and for none given (JSON format 1.0.2 §3.1). */
export function isJsonContentType(contentType: string | undefined): boolean {
  if (contentType === undefined || contentType === 'application/json') return true; // most
  const essence = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
  return essence.endsWith('/json') || essence.endsWith('+json');
}
