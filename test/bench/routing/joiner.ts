// The role that joins a federation too large to be simulated whole: one real route table pulls every record from its owner's table,
// one owner after the other, each of which is let go when it has answered. Versions told by everybody are not part of it.

import { playRole } from '../harness/role.ts';
import { TableHolder } from '../matching/holders.ts';
import { placedInterests, realShapes } from '../matching/topic-shapes.ts';

export interface Joined {
  /** From the owners, in frames. */
  readonly receivedBytes: number;
  readonly interests: number;
  /** CPU of the table that joined. */
  readonly cpuMs: number;
}

export interface JoinerRole {
  join(size: { readonly meshers: number; readonly filters: number }): Joined;
}

const SEED = 1;

function join({ meshers, filters }: { readonly meshers: number; readonly filters: number }): Joined {
  const holder = new TableHolder();
  let cpuMs = 0;
  let count = 0;
  for (const [node, interests] of placedInterests(realShapes(), meshers * filters, SEED, meshers)) {
    cpuMs += holder.add(node, interests); // throws where it did not take in all of them
    count += interests.length;
  }
  return { receivedBytes: holder.receivedBytes, interests: count, cpuMs };
}

playRole<JoinerRole>({ join });
