// The one error of the client. What the mesher refuses keeps the code, status and words of its problem (RFC 9457); what the
// client finds wrong by itself has a code of the same catalogue, or `closed`.

import { ERRORS, MeshError } from '../../node/core/errors.ts';
import type { ErrorCode } from '../../node/core/errors.ts';

export interface ErrorOptions {
  readonly cause?: unknown;
  readonly status?: number;
  readonly retryable?: boolean;
  readonly inDoubt?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * Why something was refused or could not be done. `message` says what, where and how to mend it.
 *
 * `code` is one of the codes in Causeway's README, `closed` where the connection or subscription was closed by its user, or
 * a code of a mesher newer than this client.
 */
export class CausewayError extends Error {
  override readonly name = 'CausewayError';
  readonly code: string;
  /** As in HTTP; 0 for `closed`. */
  readonly status: number;
  /** Whether the same may succeed later, without any change. */
  readonly retryable: boolean;
  /** Of a publish: it was sent, and what became of it is not known. Publishing it again may double it. */
  readonly inDoubt: boolean;
  /** Facts for machines, such as `index` and `attribute` of an invalid event. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    const known = isKnown(code) ? ERRORS[code] : undefined;
    this.code = code;
    this.status = options.status ?? known?.status ?? 0;
    this.retryable = options.retryable ?? known?.retryable ?? false;
    this.inDoubt = options.inDoubt ?? false;
    this.details = options.details ?? {};
  }
}

function isKnown(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

/** What the project's own checks throw, as the client's error. Anything else is a fault, and `internal`: its cause says where. */
export function causewayErrorOf(error: unknown): CausewayError {
  if (error instanceof CausewayError) return error;
  if (error instanceof MeshError)
    return new CausewayError(error.code, error.message, { cause: error, details: error.details });
  return new CausewayError('internal', error instanceof Error ? error.message : String(error), {
    cause: error,
  });
}

/** A problem of the mesher, from a frame or from HTTP. Members beside the five are `details`. */
export function refusalOf(problem: {
  readonly code: string;
  readonly detail: string;
  readonly status: number;
  readonly retryable: boolean;
  readonly reason?: string;
  readonly node?: string;
  readonly http?: string;
}): CausewayError {
  const { code, detail, status, retryable, reason, node, http } = problem;
  const details = {
    ...(reason === undefined ? {} : { reason }),
    ...(node === undefined ? {} : { node }),
    ...(http === undefined ? {} : { http }),
  };
  return new CausewayError(code, detail, { status, retryable, details });
}
