// What LevelDB's MANIFEST says: which tables there are, how large, and from which log on the logs count. It is a log of edits, each on
// top of those before it; CURRENT names the one that counts. [LevelDB: db/version_edit.cc]

import { CorruptionError } from './bytes.ts';
import { recordsOf } from './log-check.ts';
import { VarintReader } from './varint.ts';

export interface Manifest {
  /** Number → bytes. */
  readonly tables: ReadonlyMap<number, number>;
  /** Of the first log whose content is not in tables; 0: there is none yet. */
  readonly firstLog: number;
}

const COMPARATOR = 1;
const LOG_NUMBER = 2;
const NEXT_FILE = 3;
const LAST_SEQUENCE = 4;
const COMPACT_POINTER = 5;
const DELETED_FILE = 6;
const NEW_FILE = 7;
const PREVIOUS_LOG = 9;

/** Throws CorruptionError where it is none, or one that was cut off before it said all that a MANIFEST says. */
export function readManifest(log: Buffer): Manifest {
  const tables = new Map<number, number>();
  let firstLog: number | undefined;
  for (const record of recordsOf(log)) {
    const reader = new VarintReader(record);
    while (!reader.isAtEnd) {
      const tag = reader.number();
      switch (tag) {
        case COMPARATOR:
          reader.bytes();
          break;
        case LOG_NUMBER:
          firstLog = reader.number();
          break;
        case NEXT_FILE:
        case LAST_SEQUENCE:
        case PREVIOUS_LOG:
          reader.number();
          break;
        case COMPACT_POINTER:
          reader.number();
          reader.bytes();
          break;
        case DELETED_FILE:
          reader.number();
          tables.delete(reader.number());
          break;
        case NEW_FILE: {
          reader.number();
          const number = reader.number();
          tables.set(number, reader.number());
          reader.bytes();
          reader.bytes();
          break;
        }
        default:
          throw new CorruptionError(`an edit with the unknown tag ${tag}`);
      }
    }
  }
  if (firstLog === undefined) throw new CorruptionError('it ends before it names a log');
  return { tables, firstLog };
}
