// Every error that leaves by HTTP, as RFC 9457 problem details with the catalogue's code. Foreign errors (Fastify's
// own, Node's parser's) are mapped here and nowhere else. What is not ours to tell (a bug) says no more than `internal`.

import type { FastifyError } from 'fastify';
import type { ErrorCode } from '../core/errors.ts';
import { ERRORS, MeshError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';

export const PROBLEM_TYPE = 'application/problem+json';

/** RFC 9457 §3.1, with the code and the error's details as extension members. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly [detail: string]: unknown;
}

/** Seconds after which trying again makes sense, where the error does not know better. */
const RETRY_AFTER_S: Readonly<Partial<Record<ErrorCode, number>>> = {
  'disk-full': 30,
  'not-ready': 5,
  'too-many-subscriptions': 30,
};

// What Fastify says with a code of its own; what is not here goes by its status.
const FASTIFY_CODES: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'batch-too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_NOT_FOUND: 'not-found',
};
const STATUS_CODES: Readonly<Record<number, ErrorCode>> = {
  404: 'not-found',
  405: 'method-not-allowed',
  408: 'request-timeout',
  413: 'batch-too-large',
  415: 'unsupported-media-type',
  503: 'overloaded',
};

/** `bodyBytesMax`: the limit that holds where Fastify has refused a body. Never throws. */
export function meshErrorOf(error: unknown, bodyBytesMax: number): MeshError {
  if (error instanceof MeshError) return error;
  if (!isFastifyError(error))
    return new MeshError('internal', 'a fault in this mesher; its log has the cause', { cause: error });
  if (error.validation) return validationError(error);
  const status = error.statusCode ?? 500;
  const code =
    FASTIFY_CODES[error.code] ?? STATUS_CODES[status] ?? (status < 500 ? 'invalid-request' : 'internal');
  if (code === 'internal')
    return new MeshError('internal', 'a fault in this mesher; its log has the cause', { cause: error });
  if (code === 'batch-too-large') {
    return new MeshError(
      code,
      `the body is larger than the limit of ${bodyBytesMax} bytes; send it in parts`,
      {
        cause: error,
        details: { limit: bodyBytesMax, unit: 'bytes' },
      },
    );
  }
  if (code === 'unsupported-media-type') {
    return new MeshError(code, 'this path takes JSON only; send content-type: application/json', {
      cause: error,
    });
  }
  return new MeshError(code, error.message, { cause: error });
}

export function problemOf(error: MeshError): Problem {
  const { title, status } = ERRORS[error.code];
  return {
    ...error.details,
    type: typeOf(error.code),
    title,
    status,
    detail: error.message,
    code: error.code,
  };
}

/** Where the API explains the code: a path of this server's own. */
export function typeOf(code: ErrorCode): string {
  return `/errors/${code}`;
}

/** The value of Retry-After, for refusals that end by themselves. */
export function retryAfterOf(error: MeshError): number | undefined {
  const { status, retryable } = ERRORS[error.code];
  if (!retryable || (status !== 429 && status !== 503 && status !== 507)) return undefined;
  const asked = error.details['retryAfterMs'];
  return typeof asked === 'number' ? Math.max(1, Math.ceil(asked / 1000)) : (RETRY_AFTER_S[error.code] ?? 1);
}

/** The whole HTTP response to bytes that Node's parser would not take, for a socket that has no request. */
export function rawProblem(error: { readonly code?: string }): string {
  const [status, reason, code, detail] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ([
          431,
          'Request Header Fields Too Large',
          'invalid-request',
          'the headers are larger than this server takes; send the event in structured mode',
        ] as const)
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ([
            408,
            'Request Timeout',
            'request-timeout',
            'the request did not arrive in time; send it in one go',
          ] as const)
        : ([
            400,
            'Bad Request',
            'invalid-request',
            `this is not an HTTP/1.1 request (${error.code ?? 'unreadable'})`,
          ] as const);
  const body = JSON.stringify({ type: typeOf(code), title: ERRORS[code].title, status, detail, code });
  return `HTTP/1.1 ${status} ${reason}\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
}

function isFastifyError(error: unknown): error is FastifyError {
  if (!(error instanceof Error)) return false;
  const { code, statusCode } = error as Partial<FastifyError>;
  return typeof statusCode === 'number' && (code === undefined || typeof code === 'string');
}

interface SchemaError {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string;
  readonly parentSchema?: { readonly properties?: Readonly<Record<string, unknown>> };
}

/** What, where, and how to mend it. */
function validationError(error: FastifyError): MeshError {
  const first = error.validation?.[0] as SchemaError | undefined;
  const part = error.validationContext === 'querystring' ? 'query' : (error.validationContext ?? 'request');
  if (!first) return new MeshError('invalid-request', error.message, { cause: error });
  const where = [part, ...first.instancePath.split('/').slice(1)].join('.');
  return new MeshError('invalid-request', describe(where, first), { cause: error, details: { where } });
}

function describe(where: string, { keyword, params, message, parentSchema }: SchemaError): string {
  switch (keyword) {
    case 'required':
      return `${where}.${String(params['missingProperty'])}: it is missing`;
    case 'additionalProperties': {
      const key = String(params['additionalProperty']).slice(0, 100);
      const known = Object.keys(parentSchema?.properties ?? {});
      const meant = nearest(key, known);
      return `${where}.${key}: there is no such setting; ${meant === undefined ? `known are ${known.join(', ') || 'none'}` : `did you mean '${meant}'?`}`;
    }
    case 'enum':
    case 'const':
    case 'anyOf':
      return `${where}: it ${message ?? 'is wrong'} (${JSON.stringify(params['allowedValues'] ?? params['allowedValue'] ?? 'see /docs')})`;
    default:
      return `${where}: it ${message ?? 'is wrong'}`;
  }
}
