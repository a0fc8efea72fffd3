import type { Effect, RequestId } from '../core/steps.ts';

const NONE: ReadonlySet<RequestId> = new Set();

/** Requests that a step refused. In one pass: a step may have thousands of publishes, and as many replies. */
export function refusedIn(effects: readonly Effect[]): ReadonlySet<RequestId> {
  let refused: Set<RequestId> | undefined;
  for (const effect of effects)
    if (effect.kind === 'reply' && effect.reply.kind === 'failed')
      (refused ??= new Set()).add(effect.request);
  return refused ?? NONE;
}
