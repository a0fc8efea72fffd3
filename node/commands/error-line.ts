// How a failure is told to people.

import { MeshError } from '../core/errors.ts';

/** `causeway: <code>: <cause>; <what to do>`, always one line. */
export function errorLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const [code, message] =
    error instanceof MeshError
      ? [error.code, text]
      : ['internal', `${text}; this is a fault in Causeway (NODE_DEBUG=causeway shows where)`];
  return `causeway: ${code}: ${message.replaceAll(/\s*[\r\n]+\s*/g, ' ')}`;
}
