// The one catalogue of errors. A code names an operating failure or a refusal; the HTTP status, whether a
// retry can help and the exit code of the command are properties of the code, never of the place that throws.
// Expected outcomes (duplicate, no interest) are values, not errors; bugs are `invariant`.

/** What the catalogue says of one code. `exit`: 2 usage, 3 refused, 4 failure of something outside. */
export interface ErrorFacts {
  readonly title: string;
  readonly status: number;
  readonly retryable: boolean;
  readonly exit: 2 | 3 | 4;
}

export const ERRORS = {
  'invalid-request': { title: 'The request is malformed', status: 400, retryable: false, exit: 2 },
  'invalid-event': { title: 'The CloudEvent is malformed', status: 400, retryable: false, exit: 3 },
  'invalid-topic': { title: 'The topic is malformed', status: 400, retryable: false, exit: 2 },
  'invalid-filter': { title: 'The topic filter is malformed', status: 400, retryable: false, exit: 2 },
  'invalid-subscription': { title: 'The subscription is malformed', status: 400, retryable: false, exit: 3 },
  'invalid-config': { title: 'The configuration is wrong', status: 500, retryable: false, exit: 2 },
  'registry-refused': {
    title: 'The registry does not take these credentials',
    status: 403,
    retryable: false,
    exit: 3,
  },
  'subscription-not-found': { title: 'No such subscription', status: 404, retryable: false, exit: 3 },
  'not-found': { title: 'No such resource', status: 404, retryable: false, exit: 3 },
  'method-not-allowed': { title: 'The resource does not do that', status: 405, retryable: false, exit: 2 },
  'request-timeout': { title: 'The request took too long to arrive', status: 408, retryable: true, exit: 4 },
  'event-too-large': { title: 'The event is larger than the limit', status: 413, retryable: false, exit: 3 },
  'batch-too-large': { title: 'The batch is larger than the limit', status: 413, retryable: false, exit: 3 },
  'unsupported-media-type': {
    title: 'The content type is not supported',
    status: 415,
    retryable: false,
    exit: 3,
  },
  'too-many-subscriptions': {
    title: 'The mesher holds as many subscriptions as it may',
    status: 429,
    retryable: true,
    exit: 3,
  },
  'subscription-elsewhere': {
    title: 'The subscription lives on another mesher',
    status: 409,
    retryable: true,
    exit: 3,
  },
  internal: { title: 'A fault in Causeway', status: 500, retryable: false, exit: 4 },
  'storage-failed': { title: 'The journal could not be written', status: 500, retryable: true, exit: 4 },
  overloaded: { title: 'The mesher has as much in hand as it may', status: 503, retryable: true, exit: 4 },
  'not-enough-replicas': {
    title: 'Too few meshers of the cluster can keep a copy',
    status: 503,
    retryable: true,
    exit: 4,
  },
  'not-ready': { title: 'The mesher is not ready yet', status: 503, retryable: true, exit: 4 },
  'shutting-down': { title: 'The mesher is stopping', status: 503, retryable: true, exit: 4 },
  'taken-over': {
    title: 'Another mesher has taken this one over while it was away',
    status: 503,
    retryable: true,
    exit: 4,
  },
  'registry-unavailable': { title: 'The registry cannot be reached', status: 503, retryable: true, exit: 4 },
  'mesher-unreachable': { title: 'The mesher cannot be reached', status: 503, retryable: true, exit: 4 },
  'disk-full': { title: 'The disk is nearly full', status: 507, retryable: true, exit: 4 },
} as const satisfies Record<string, ErrorFacts>;

export type ErrorCode = keyof typeof ERRORS;

/** An operating failure or a refusal. `message` says what, where and how to mend it, in one sentence or two. */
export class MeshError extends Error {
  override readonly name = 'MeshError';
  readonly code: ErrorCode;
  /** Facts for machines: problem details members, log fields. Never secrets. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  get facts(): ErrorFacts {
    return ERRORS[this.code];
  }
}

/** States what must be true if this code is right. Throws a plain Error: a bug, which ends the process. */
export function invariant(condition: unknown, why: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${why}`);
}
