// A disk that cannot be read is a lost disk. Where other meshers of the cluster have copies of its journal, a mesher that finds it
// damaged serves nothing from it: it puts the journal aside, gives up its name, and starts as another mesher, with nothing. Its copies are
// then taken over as those of any mesher that is gone (core/takeovers.ts). Where nobody is known to have it all, it does not start.
//
// A mesher that was taken over while it was away gives up its sound journal in the same way: that becomes a copy, and what nobody has
// claimed of it, the new name claims.
//
// Invariants. A journal is given up only if somebody has all of it: `copied`, in the data folder, says so, and goes when nobody has. A copy
// that is begun anew, as each start does, still has what was there before; only what was read and found sound replaces it. Giving up is begun by
// writing `given-up`, and done to its end by the next start, registry or not, so no start finds the old name with a new journal, or the
// other way round. Clients are served when the old name has an heir (`former-names`). Nothing is deleted: what was never copied is in the folder that was put aside, and only there.

import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { MeshError } from './core/errors.ts';
import type { NodeId } from './core/event.ts';
import type { Replication } from './core/replication.ts';
import { readDataFile, removeDataFile, writeDataFile } from './data-file.ts';
import { LevelCopies } from './journal/level-copies.ts';
import { syncDirectory } from './journal/level-journal.ts';
import { codeOf, isDamage } from './journal/storage-error.ts';
import { loadOrCreateKeys, retireKeys } from './net/keys.ts';

const COPIED_FILE = 'copied';
const GIVEN_UP_FILE = 'given-up';
const FORMER_NAMES_FILE = 'former-names';
const COPIES = 'copies';
const COPIES_CHECK_MS = 1_000;

/** Where a mesher's journal is in its data folder. */
export function journalIn(data: string): string {
  return join(data, 'journal');
}

/** Where the copies of others' journals are. */
export function copiesIn(data: string): string {
  return join(data, COPIES);
}

/** Keeps `copied` true: the meshers that have all of this one's journal. Resolves to how to stop that. */
export async function watchCopies(
  data: string,
  node: NodeId,
  replication: Replication,
  log: Logger,
): Promise<() => void> {
  let noted = await holdersOf(data, node);
  // who had it all before this start has it as it was then, until it says otherwise, or others are given what is new
  let before = noted;
  const check = async (): Promise<void> => {
    const { complete, chosen, without, isSettled } = replication.whole();
    const isParted = isSettled || chosen.some((one) => !before.includes(one));
    before = isParted ? [] : before.filter((one) => !without.includes(one));
    const holders = [...new Set([...complete, ...before])].sort();
    if (isDeepStrictEqual(holders, noted)) return;
    await (holders.length === 0
      ? removeDataFile(data, COPIED_FILE)
      : writeDataFile(data, COPIED_FILE, JSON.stringify({ node, holders })));
    noted = holders;
  };
  let checked: Promise<void> | undefined;
  const timer = setInterval(() => {
    checked ??= check()
      .catch((error: unknown) => log.warn({ err: error, data }, 'who has copies cannot be noted'))
      .finally(() => (checked = undefined));
  }, COPIES_CHECK_MS);
  return () => clearInterval(timer);
}

/**
 * Gives up the journal of `node` and its name where `error` tells of damage and others have all of it: `replicas` is what the mesher
 * is set to, and `isTakenOver` says that somebody serves it already. Else rejects: with `error`, or with what can be done about it.
 */
export async function giveUpJournal(
  { data, replicas }: { readonly data: string; readonly replicas: number },
  node: NodeId,
  error: unknown,
  log: Logger,
  isTakenOver = false,
): Promise<void> {
  if (!isDamage(error) || !(error instanceof Error)) throw error;
  const holders = isTakenOver ? [] : await holdersOf(data, node);
  if (!isTakenOver && (replicas === 1 || holders.length === 0)) throw refusal(data, replicas, error);
  const aside = `journal.damaged-${new Date().toISOString().replace(/[:.]/g, '-')}-${node}`;
  log.error(
    { err: error, node, aside: join(data, aside), holders },
    'the journal is damaged: it is put aside, and others take it over from their copies; what was published with fewer replicas and not copied yet is nowhere else. This mesher goes on under a new name',
  );
  await writeDataFile(data, GIVEN_UP_FILE, JSON.stringify({ node, aside }));
  await finishGivingUp(data);
}

/**
 * Gives up the journal of `node`, which was taken over while it was away, and its name: the journal becomes a copy of a lost mesher's,
 * or is put aside where it is damaged. Rejects with `storage-failed`.
 */
export async function handOverJournal(
  config: { readonly data: string; readonly replicas: number },
  node: NodeId,
  log: Logger,
): Promise<void> {
  const { data } = config;
  try {
    await LevelCopies.makeCopyOf(journalIn(data));
  } catch (error) {
    await giveUpJournal(config, node, error, log, true);
    return;
  }
  await writeDataFile(data, GIVEN_UP_FILE, JSON.stringify({ node, aside: join(COPIES, node) }));
  await finishGivingUp(data);
}

/** Before anything else of a start: what an earlier one began. */
export async function finishGivingUp(data: string): Promise<void> {
  const given = await readDataFile(data, GIVEN_UP_FILE);
  if (typeof given?.['node'] !== 'string' || typeof given['aside'] !== 'string') return;
  const { node, aside } = given;
  const path = join(data, aside);
  await mkdir(dirname(path), { recursive: true });
  try {
    await rename(journalIn(data), path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error; // it was put aside before
  }
  await syncDirectory(dirname(path));
  await syncDirectory(data);
  if ((await loadOrCreateKeys(data)).node === node) await retireKeys(data, node);
  await removeDataFile(data, COPIED_FILE);
  await noteFormerName(data, node);
  await removeDataFile(data, GIVEN_UP_FILE);
}

/**
 * Names that were given up and whose heirs were not known here yet. Until they are, this mesher knows nothing of what was subscribed to
 * under them, and may take no events from clients: they would not be kept for those subscriptions.
 */
export async function formerNames(data: string): Promise<readonly NodeId[]> {
  const nodes: unknown = (await readDataFile(data, FORMER_NAMES_FILE))?.['nodes'];
  return Array.isArray(nodes) ? nodes.filter((node: unknown) => typeof node === 'string') : [];
}

async function noteFormerName(data: string, node: NodeId): Promise<void> {
  const former = await formerNames(data);
  if (former.includes(node)) return;
  await writeDataFile(data, FORMER_NAMES_FILE, JSON.stringify({ nodes: [...former, node] }));
}

export async function forgetFormerNames(data: string): Promise<void> {
  await removeDataFile(data, FORMER_NAMES_FILE);
}

async function holdersOf(data: string, node: NodeId): Promise<readonly NodeId[]> {
  const copied = await readDataFile(data, COPIED_FILE);
  const holders: unknown = copied?.['holders'];
  if (copied?.['node'] !== node || !Array.isArray(holders)) return [];
  return holders.filter((holder: unknown) => typeof holder === 'string');
}

function refusal(data: string, replicas: number, error: Error): MeshError {
  const why =
    replicas === 1
      ? 'and with one replica nobody else has what is in it'
      : 'and it is not known that another mesher has all that is in it: its copies were not complete';
  return new MeshError(
    'storage-failed',
    `${error.message}. Nothing is served from a damaged journal, ${why}. Bring the file back as it was written, from a copy of this disk; or move ${journalIn(data)} away to start without the events in it, which are then lost`,
    { cause: error, details: { ...(error instanceof MeshError && error.details) } },
  );
}
