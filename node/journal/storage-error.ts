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
