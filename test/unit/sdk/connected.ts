// A client in virtual time, connected with a mesher in memory.

import { CausewayError } from '../../../sdk/typescript/errors.ts';
import { connectThrough } from '../../../sdk/typescript/mesh-client.ts';
import type { Ask } from '../../../sdk/typescript/subscription-api.ts';
import type { ConnectOptions, Mesh } from '../../../sdk/typescript/types.ts';
import { FakeMesher } from './fake-mesher.ts';
import { VirtualTimers } from './virtual-timers.ts';

export interface Connected {
  readonly mesh: Mesh;
  readonly mesher: FakeMesher;
  readonly timers: VirtualTimers;
  /** What listeners have thrown. */
  readonly warnings: readonly unknown[];
}

export async function connected(
  options: ConnectOptions = {},
  welcome: Partial<FakeMesher['welcome']> = {},
  ask: Ask = askNobody,
): Promise<Connected> {
  const timers = new VirtualTimers();
  const mesher = new FakeMesher();
  mesher.welcome = { ...mesher.welcome, ...welcome };
  const warnings: unknown[] = [];
  const warn = (thrown: unknown): void => void warnings.push(thrown);
  const ports = { openSocket: mesher.open, timers, ask, warn };
  const mesh = await connectThrough(ports, 'http://fake:7400', options);
  return { mesh, mesher, timers, warnings };
}

/** An HTTP API behind which nothing is. */
export const askNobody: Ask = (url) =>
  Promise.reject(new CausewayError('mesher-unreachable', `no answer from ${url}`));

/** What became of a promise by now. */
export interface Watched {
  state: 'pending' | 'resolved' | 'rejected';
  error?: unknown;
}

export function watch(promise: Promise<unknown>): Watched {
  const watched: Watched = { state: 'pending' };
  promise.then(
    () => (watched.state = 'resolved'),
    (error: unknown) => Object.assign(watched, { state: 'rejected', error }),
  );
  return watched;
}
