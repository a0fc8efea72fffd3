// What was still under way on each lane when a mesher was stopped in order: kept in its data folder for the ledger of its next life, which
// so finds what was taken out of the journal in between. A start takes the note away: after a crash nobody knows.

import Type, { type Static } from 'typebox';
import { Value } from 'typebox/value';
import type { NodeId } from './core/event.ts';
import { readDataFile, removeDataFile, writeDataFile } from './data-file.ts';
import type { OpenPlaces } from './observe/ledger/ledger.ts';

const LEFT_OPEN_FILE = 'ledger';

const Note = Type.Object({
  node: Type.String(),
  /** Of the life that left it. */
  incarnation: Type.Integer(),
  lanes: Type.Record(
    Type.String(),
    Type.Array(Type.Object({ incarnation: Type.Integer(), from: Type.Integer(), to: Type.Integer() })),
  ),
});

/** Undefined: the last life, which had `incarnation` by its journal, was not stopped in order. */
export async function takeLeftOpen(
  data: string,
  node: NodeId,
  incarnation: number,
): Promise<OpenPlaces | undefined> {
  const note = await readDataFile(data, LEFT_OPEN_FILE);
  if (note === undefined) return undefined;
  await removeDataFile(data, LEFT_OPEN_FILE);
  if (!Value.Check(Note, note) || note.node !== node || note.incarnation !== incarnation) return undefined;
  return note.lanes;
}

export async function noteLeftOpen(
  data: string,
  node: NodeId,
  incarnation: number,
  lanes: OpenPlaces,
): Promise<void> {
  const note: Static<typeof Note> = { node, incarnation, lanes: mutable(lanes) };
  await writeDataFile(data, LEFT_OPEN_FILE, JSON.stringify(note));
}

function mutable(lanes: OpenPlaces): Static<typeof Note>['lanes'] {
  return Object.fromEntries(Object.entries(lanes).map(([lane, ranges]) => [lane, [...ranges]]));
}
