// For code that looks at a signal before and after it waited.

/** Whether it has, asked anew: the compiler takes an earlier answer for good. */
export function hasAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
