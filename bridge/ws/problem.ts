// Errors as this protocol says them: the problem details of the HTTP API, and whether trying again helps.

import type { ErrorCode } from '../../node/core/errors.ts';
import { ERRORS, MeshError } from '../../node/core/errors.ts';
import type { WireProblem } from './frames/json.ts';

export function problemOf(error: MeshError, reason?: StreamEnd): WireProblem {
  const { title, status, retryable } = ERRORS[error.code];
  return {
    ...error.details,
    type: `/errors/${error.code}`,
    title,
    status,
    code: error.code,
    detail: error.message,
    retryable,
    ...(reason !== undefined && { reason }),
  };
}

/** What is no refusal is a fault of ours, of which clients learn no more than that. */
export function meshErrorOf(error: unknown): MeshError {
  if (error instanceof MeshError) return error;
  return new MeshError('internal', 'a fault in this mesher; its log has the cause', { cause: error });
}

/** Why the mesher ends a stream that was open. */
export type StreamEnd = 'deleted' | 'replaced' | 'shutting-down';

const STREAM_ENDS: Readonly<Record<StreamEnd, { readonly code: ErrorCode; readonly detail: string }>> = {
  deleted: { code: 'subscription-not-found', detail: 'the subscription was deleted' },
  replaced: { code: 'not-ready', detail: 'the subscription was replaced; open it again' },
  'shutting-down': { code: 'shutting-down', detail: 'this mesher is stopping; use another one' },
};

export function streamEnded(reason: StreamEnd): WireProblem {
  const { code, detail } = STREAM_ENDS[reason];
  return problemOf(new MeshError(code, detail), reason);
}
