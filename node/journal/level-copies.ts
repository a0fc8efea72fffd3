// Copies of other meshers' journals on disk: a LevelDB for each, of the same layout as a journal, in a folder named after its owner.
// How far a copy has come is written with what brought it there, in the same batch.

import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { invariant } from '../core/errors.ts';
import type { NodeId } from '../core/event.ts';
import type { CopyChange, CopyHead, CopyStore, RecoveredCopy } from '../core/ports.ts';
import { CorruptionError } from './bytes.ts';
import * as codec from './codec.ts';
import { decodeContent } from './copy-content.ts';
import { outdated } from './copy-range.ts';
import * as keys from './keys.ts';
import { type Change, del, encoded } from './level-changes.ts';
import { openDatabase } from './level-journal.ts';
import { type Database, read, scan } from './level-recovery.ts';
import { mapped } from './storage-error.ts';

const HEAD = keys.metaKey('copy');
/** Node ids are base58: nothing else is a folder of ours. */
const OWNER = /^[A-Za-z0-9]{1,128}$/;

interface OpenCopy {
  readonly db: Database;
  /** Of the batch whose last part has not come. */
  parts: Change[];
}

export class LevelCopies implements CopyStore {
  readonly #dir: string;
  readonly #copies = new Map<NodeId, OpenCopy>();

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** Opens all copies in `dir`. Rejects with `storage-failed`. */
  static async open(dir: string): Promise<{ store: LevelCopies; copies: RecoveredCopy[] }> {
    const store = new LevelCopies(dir);
    await mkdir(dir, { recursive: true });
    const copies: RecoveredCopy[] = [];
    for (const owner of (await readdir(dir)).filter((name) => OWNER.test(name))) {
      const head = await store.#recover(owner);
      if (head) copies.push({ owner, head });
    }
    return { store, copies };
  }

  /** Undefined: nothing was ever written to it. */
  async #recover(owner: NodeId): Promise<CopyHead | undefined> {
    try {
      const { db } = await this.#open(owner);
      const value = await read(db, HEAD);
      return value && decodeHead(value);
    } catch (error) {
      throw mapped(error, `reading the copy in ${this.#dirOf(owner)}`);
    }
  }

  #dirOf(owner: NodeId): string {
    invariant(OWNER.test(owner), `a node id: ${owner}`);
    return join(this.#dir, owner);
  }

  async #open(owner: NodeId): Promise<OpenCopy> {
    const known = this.#copies.get(owner);
    if (known) return known;
    const copy: OpenCopy = {
      db: await openDatabase(this.#dirOf(owner)),
      parts: [],
    };
    this.#copies.set(owner, copy);
    return copy;
  }

  /** Calls are carried out in order for each owner. Rejects with `storage-failed`: the mesher must end. */
  async write(owner: NodeId, head: CopyHead, change: CopyChange | undefined): Promise<void> {
    try {
      await this.#inTurn(owner, (copy) => this.#apply(copy, head, change));
    } catch (error) {
      throw mapped(error, `writing to the copy in ${this.#dirOf(owner)}`);
    }
  }

  readonly #turns = new Map<NodeId, Promise<void>>();

  async #inTurn(owner: NodeId, write: (copy: OpenCopy) => Promise<void>): Promise<void> {
    const before = this.#turns.get(owner) ?? Promise.resolve();
    const turn = before.then(async () => write(await this.#open(owner)));
    this.#turns.set(
      owner,
      turn.catch(() => undefined),
    );
    await turn;
  }

  async #apply(copy: OpenCopy, head: CopyHead, change: CopyChange | undefined): Promise<void> {
    const changes = change ? await this.#changesOf(copy, change) : [];
    if (change?.isPart === true) {
      copy.parts.push(...changes);
      return;
    }
    const all = [...copy.parts, ...changes, encoded(HEAD, codec.encodeText, JSON.stringify(head))];
    copy.parts = [];
    await copy.db.batch(all, { sync: true });
  }

  async #changesOf({ db }: OpenCopy, { content, range }: CopyChange): Promise<Change[]> {
    const given = decodeContent(content);
    const changes: Change[] = range ? await outdated(db, range, given) : [];
    for (const change of given) {
      if (change.type !== 'drop-queue') {
        changes.push(change);
        continue;
      }
      changes.push(del(keys.queueKey(change.queue)));
      await scan(db, keys.entriesOf(change.queue), (key) => changes.push(del(key)));
    }
    return changes;
  }

  /** The copy and its folder go. */
  async drop(owner: NodeId): Promise<void> {
    await this.#inTurn(owner, async ({ db }) => {
      await db.close();
      this.#copies.delete(owner);
      await rm(this.#dirOf(owner), { recursive: true, force: true });
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#turns.values());
    for (const { db } of this.#copies.values()) await db.close();
    this.#copies.clear();
  }
}

function decodeHead(value: Buffer): CopyHead {
  const fields: unknown = JSON.parse(codec.decodeText(HEAD, value));
  if (typeof fields !== 'object' || fields === null) throw new CorruptionError('a copy without a head');
  const { incarnation, batch, cursor, startBlock, nextBlock } = fields as Record<string, unknown>;
  if (
    typeof incarnation !== 'number' ||
    typeof batch !== 'number' ||
    typeof cursor !== 'string' ||
    typeof startBlock !== 'number' ||
    typeof nextBlock !== 'number'
  )
    throw new CorruptionError('the head of a copy is not what it should be');
  return { incarnation, batch, cursor, startBlock, nextBlock };
}
