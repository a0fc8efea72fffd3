// The W3C Trace Context of an event: `traceparent` and `tracestate` (w3.org/TR/trace-context, §3.2 and §3.3), which CloudEvents'
// distributed tracing extension makes attributes of the event. Pure: texts ↔ values. A text that breaks the rules is no context.

export interface TraceContext {
  /** 32 lower-case hex digits, not all 0. */
  readonly traceId: string;
  /** The span that the event came from: 16 lower-case hex digits, not all 0; undefined: none is known, the trace begins here. */
  readonly parentId: string | undefined;
  readonly sampled: boolean;
}

/** §3.3.1.1: members of a list. */
const MEMBERS_MAX = 32;
/** §3.3.1.5 asks for 512 at least. */
const TRACESTATE_CHARS_MAX = 4096;

const PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** §3.3.1.3.1: `key` or `tenant@system`; §3.3.1.3.2: printable, neither `,` nor `=`, no blank at the end. */
const MEMBER =
  /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** Undefined: it is none, and is to be taken as if it were not there. Later versions may have more after the flags (§4.3). */
export function parseTraceparent(text: string): TraceContext | undefined {
  const [, version, traceId = '', parentId = '', flags = '', more] = PARENT.exec(text) ?? [];
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined;
  return { traceId, parentId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export function formatTraceparent({
  traceId,
  parentId,
  sampled,
}: TraceContext & { parentId: string }): string {
  return `00-${traceId}-${parentId}-${sampled ? '01' : '00'}`;
}

/** A list that may be passed on; it says nothing about `traceparent` where it may not. */
export function isTracestate(text: string): boolean {
  if (text === '' || text.length > TRACESTATE_CHARS_MAX) return false;
  const members = text
    .split(',')
    // blanks are looked at once: from each of them to the end of a long run would be seconds for a batch of such events
    .map((member) => member.replace(/^[ \t]+|(?<![ \t])[ \t]+$/g, ''))
    .filter((member) => member !== '');
  const keys = new Set(members.map((member) => member.slice(0, member.indexOf('='))));
  return (
    members.length > 0 &&
    members.length <= MEMBERS_MAX &&
    keys.size === members.length &&
    members.every((member) => MEMBER.test(member))
  );
}
