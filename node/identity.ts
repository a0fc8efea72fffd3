// Who a mesher is when it starts: its keys, the journal that is its own, and the incarnation of this life. One that cannot read its
// journal, or was taken over while it was away, comes back as another.

import type { Logger } from 'pino';
import { openRegistry } from '../registry/open.ts';
import { claimsOn, takenOver } from './claims.ts';
import type { Config } from './config.ts';
import { readSecrets } from './config/secrets.ts';
import { MeshError } from './core/errors.ts';
import { chooseIncarnation } from './core/membership.ts';
import type { Journal, Recovered, Registry } from './core/ports.ts';
import { openLevelJournal, type LevelJournal } from './journal/level-journal.ts';
import { finishGivingUp, giveUpJournal, handOverJournal, journalIn } from './lost-journal.ts';
import { loadOrCreateKeys, type NodeKeys } from './net/keys.ts';

const INCARNATION = 'incarnation';

/** What the registry said when it was asked for a revision. */
type Revision = PromiseSettledResult<number>;

interface Identity {
  readonly keys: NodeKeys;
  readonly registry: Registry;
  readonly revision: Revision;
}

/** The mesher's journal, read, and who it is: another than before where its journal cannot be read and others have copies. */
export async function openSound(
  config: Config,
  log: Logger,
): Promise<Identity & { journal: LevelJournal; recovered: Recovered }> {
  await finishGivingUp(config.data);
  const identity = await settleIdentity(config, log);
  let journal: LevelJournal | undefined;
  try {
    journal = await openLevelJournal(journalIn(config.data));
    return { ...identity, journal, recovered: await journal.recover() };
  } catch (error) {
    await journal?.close();
    await identity.registry.close();
    await giveUpJournal(config, identity.keys.node, error, log);
  }
  return openSound(config, log);
}

/**
 * Who this mesher is. One that was taken over while it was away comes back as another, for which its journal is a copy like any
 * other's: what nobody has taken over of it, it hands over.
 */
async function settleIdentity(config: Config, log: Logger): Promise<Identity> {
  const keys = await loadOrCreateKeys(config.data);
  const { user, password, tls } = readSecrets(config.registry);
  const registry = await openRegistry(config.registry.address, {
    federation: config.federation,
    node: keys.node,
    ttlMs: config.registry.leaseTtlMs,
    user,
    password,
    tls,
    log: ({ level, message, details }) => log[level]({ ...details }, message),
  });
  try {
    const [revision, claims] = await Promise.allSettled([
      registry.nextRevision(),
      claimsOn(registry, config.cluster, keys.node),
    ]);
    if (claims.status === 'rejected' || claims.value.length === 0) return { keys, registry, revision };
    const failure = takenOver(keys.node, claims.value);
    log.warn({ node: keys.node, claims: claims.value }, `${failure.message}`);
    await handOverJournal(config, keys.node, log);
  } catch (error) {
    await registry.close();
    throw error;
  }
  await registry.close();
  return settleIdentity(config, log);
}

/**
 * The number of this life, above that of any before, and on disk. `wall`: the time of day, ms, by which it is chosen where the registry
 * does not answer. Rejects with `registry-refused` at the first start: who never was a member can do nothing without the registry.
 */
export async function takeIncarnation(
  journal: Journal,
  registry: Registry,
  asked: Revision,
  wall: number,
  log: Logger,
): Promise<{ incarnation: number; before: number; rejoining: boolean }> {
  const persisted = Number((await journal.getMeta(INCARNATION)) ?? 0);
  if (asked.status === 'rejected') {
    const error: unknown = asked.reason;
    const refused = error instanceof MeshError && error.code === 'registry-refused';
    if (refused && persisted === 0) throw error;
    log.warn(
      { err: error, registry: registry.address },
      `registry ${refused ? 'refuses this mesher' : 'not reached'}; starting from what is on disk`,
    );
  }
  const revision = asked.status === 'fulfilled' ? asked.value : undefined;
  const incarnation = chooseIncarnation(persisted, revision, wall);
  await journal.putMeta(INCARNATION, String(incarnation));
  return { incarnation, before: persisted, rejoining: persisted > 0 };
}
