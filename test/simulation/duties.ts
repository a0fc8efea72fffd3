// What a disk says its mesher still owes to whom. Read when a disk is lost or put back to an older state: what it alone held
// is then lost by definition, and nothing else may be.

import type { NodeId } from '../../node/core/event.ts';
import type { MemoryDisk } from '../../node/journal/memory-journal.ts';
import { idOf } from './event-id.ts';

/** By event, whom it is for: `s:<subscription>`, `p:<mesher>` or `c:<cluster>`; after DEAD_LETTER where that is to get it as a dead letter. */
export type Duties = Map<string, Set<string>>;

/** A dead letter has the id of its event, and is not in its stead: whoever has the one may lose the other. */
const DEAD_LETTER = 'dead letter ';

export function dutiesOn(disk: MemoryDisk): Duties {
  const duties: Duties = new Map();
  for (const [queue, entries] of disk.entries) {
    const name = disk.queues.get(queue);
    if (name === undefined) continue;
    const whom = name.startsWith('c:') ? name.slice(0, name.lastIndexOf(':')) : name;
    for (const [block, { indices }] of entries) {
      const events = disk.blocks.get(block);
      for (const index of indices) {
        const event = events?.[index];
        if (event) addTo(duties, idOf(event), event.deadLetter ? DEAD_LETTER + whom : whom);
      }
    }
  }
  return duties;
}

/** Those of `before` that are not among `after`. */
export function dutiesLost(before: Duties, after: Duties): Duties {
  const lost: Duties = new Map();
  for (const [id, whom] of before)
    for (const one of whom) if (after.get(id)?.has(one) !== true) addTo(lost, id, one);
  return lost;
}

export function addAllTo(sum: Duties, more: Duties): void {
  for (const [id, whom] of more) for (const one of whom) addTo(sum, id, one);
}

/** The ways on which an event comes to a subscription. */
export function waysTo(name: string, mesher: NodeId, cluster: string): readonly string[] {
  return [`s:${name}`, `p:${mesher}`, `c:${cluster}`];
}

function addTo(duties: Duties, id: string, whom: string): void {
  const known = duties.get(id);
  if (known) known.add(whom);
  else duties.set(id, new Set([whom]));
}
