// The role that joins a federation too large to be simulated whole: one real route table pulls every record from its owner's table,
// one owner after the other, each of which is let go when it has answered. Versions told by everybody are not part of it.

import { playRole } from '../harness/role.ts';
import { TableHolder } from '../matching/holders.ts';
import { bytesHeld } from '../matching/bytes-held.ts';
import { peerId, placedInterests, realShapes } from '../matching/topic-shapes.ts';

export interface Size {
  /** Whose records are pulled. */
  readonly owners: number;
  /** Of each. */
  readonly filters: number;
}

export interface Joined {
  /** From the owners, in frames. */
  readonly receivedBytes: number;
  /** CPU of the table that joined. */
  readonly cpuMs: number;
  /** What the table holds in the end. */
  readonly heldBytes: number;
}

export interface JoinerRole {
  join(size: Size): Promise<Joined>;
}

async function join({ owners, filters }: Size): Promise<Joined> {
  const shapes = realShapes();
  const before = await bytesHeld();
  const holder = new TableHolder();
  let cpuMs = 0;
  for (let i = 0; i < owners; i++) {
    const [interests = []] = placedInterests(shapes, filters, i + 1, 1).values();
    cpuMs += holder.add(peerId(i), interests); // throws where it did not take in all of them
  }
  const heldBytes = (await bytesHeld()) - before;
  return { receivedBytes: holder.receivedBytes, cpuMs, heldBytes };
}

playRole<JoinerRole>({ join });
