// Errors of LevelDB, of the file system and of decoding as `storage-failed`, in one place. What is none of these is a
// bug and passes through as it is.

import { MeshError } from '../core/errors.ts';
import { CorruptionError } from './bytes.ts';

/** Foreign errors (all have codes) and corruption as MeshError; what is left are bugs, which stay what they are. */
export function mapped(error: unknown, doing: string): unknown {
  if (error instanceof MeshError) return error;
  if (error instanceof CorruptionError || codeOf(error) !== undefined) return storageFailed(doing, error);
  return error;
}

export function storageFailed(
  doing: string,
  cause: unknown,
  details: Record<string, unknown> = {},
): MeshError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new MeshError('storage-failed', `Failed at ${doing}: ${why}`, { cause, details });
}

/**
 * Whether what is on disk is not what was written, or cannot be read: all that such a disk can do is to be replaced. Not so where
 * it is full, in use by another process, or may not be read.
 */
export function isDamage(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof CorruptionError) return true;
    const code = codeOf(cause);
    if (code === 'LEVEL_CORRUPTION' || code === 'EIO') return true;
    if (code === 'LEVEL_IO_ERROR' && cause.message.includes('Input/output error')) return true; // LevelDB has no codes of its own
  }
  return false;
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Runs a decoder for this queue and block, and says so where it finds corruption. */
export function located<T>(queue: number, block: number, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    throw storageFailed(`reading block ${block} for queue ${queue}`, error, { queue, block });
  }
}
