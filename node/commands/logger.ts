// The log of a process that runs for long.

import { pino } from 'pino';
import type { Logger } from 'pino';

/** JSON lines on stderr, written at once, so that the last words before a crash are there. */
export function createLogger(level: string): Logger {
  const secrets = ['password', 'authorization', 'cookie', 'token', 'secret'];
  return pino(
    {
      level,
      redact: { paths: secrets.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}
