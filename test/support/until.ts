// Waiting for a condition, for every test with real time: asks again and again, patiently enough for a machine ten times
// slower than the usual one. Nothing is asserted about how long it took.

import { AssertionError } from 'node:assert/strict';

/** What no single step takes, however slow the machine. */
export const PATIENCE_MS = 120_000;

export interface UntilOptions {
  readonly everyMs?: number;
  /** A figure that changes while what is waited for is still coming: patience begins anew with each change. */
  readonly progress?: () => number;
}

/**
 * Polls until `check` gives something other than undefined or false; fails with `what` when patience ends. A `check` that
 * throws is asked again; only an assertion that fails in it ends the wait.
 */
export async function until<T>(
  what: string | (() => string),
  check: () => Promise<T | undefined | false> | T | undefined | false,
  { everyMs = 50, progress = () => 0 }: UntilOptions = {},
): Promise<T> {
  let reached = progress();
  let deadline = performance.now() + PATIENCE_MS;
  let last: unknown;
  for (;;) {
    try {
      const found = await check();
      if (found !== undefined && found !== false) return found;
      last = undefined;
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      last = error;
    }
    const now = performance.now();
    const at = progress();
    if (at !== reached) [reached, deadline] = [at, now + PATIENCE_MS];
    if (now > deadline) {
      const words = typeof what === 'string' ? what : what();
      throw new Error(`waited ${PATIENCE_MS / 1000} s in vain: ${words}`, { cause: last });
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
