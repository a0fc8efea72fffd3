// Which layout of keys a journal on disk has. A new one gets the newest; one of an older layout is changed to it, in one synced batch,
// before anything is read of it; any other is refused.
//
//   1  the next block is among the journal's own, before all blocks
//   2  the next block comes last (see keys.ts)

import { MeshError } from '../core/errors.ts';
import * as codec from './codec.ts';
import * as keys from './keys.ts';
import { type Change, del, encoded } from './level-changes.ts';
import { type Database, read } from './level-recovery.ts';

const LAYOUT = 2;

/** Rejects with `invalid-config` where the database is no journal, or one of an unknown layout. */
export async function agreeOnLayout(db: Database, dir: string): Promise<void> {
  const value = await read(db, keys.layoutKey);
  if (!value) {
    await refuseForeign(db, dir);
    await db.batch([layout()], { sync: true });
    return;
  }
  const found = codec.decodeNumber(keys.layoutKey, value);
  if (found === LAYOUT) return;
  if (found !== 1)
    throw new MeshError(
      'invalid-config',
      `The journal in ${dir} has layout ${found}; this version reads 1 to ${LAYOUT}. Run the version that wrote it, or name another directory.`,
    );
  await db.batch([...(await nextBlockMoved(db)), layout()], { sync: true });
}

function layout(): Change {
  return encoded(keys.layoutKey, codec.encodeNumber, LAYOUT);
}

async function nextBlockMoved(db: Database): Promise<Change[]> {
  const value = await read(db, keys.nextBlockKeyOfLayout1);
  if (!value) return []; // no block was ever written
  const nextBlock = codec.decodeNumber(keys.nextBlockKeyOfLayout1, value);
  return [del(keys.nextBlockKeyOfLayout1), encoded(keys.nextBlockKey, codec.encodeNumber, nextBlock)];
}

async function refuseForeign(db: Database, dir: string): Promise<void> {
  const [someKey] = await db.keys({ limit: 1 }).all();
  if (someKey)
    throw new MeshError(
      'invalid-config',
      `${dir} holds a LevelDB database that is no journal; name another directory.`,
    );
}
