// The canary of a mesher, put onto its core and driver, and what it found before, from the data folder.

import type { Logger } from 'pino';
import { Value } from 'typebox/value';
import type { Config } from './config.ts';
import { hash32, type NodeId } from './core/event.ts';
import type { MesherCore } from './core/mesher-core.ts';
import type { Clock, Random } from './core/ports.ts';
import { rendezvous } from './core/router.ts';
import { readDataFile, writeDataFile } from './data-file.ts';
import type { Driver } from './driver.ts';
import { Canary, type CanaryTarget, TARGETS_MAX } from './observe/canary/canary.ts';
import { SavedPair } from './observe/canary/pair-record.ts';
import { probeTopic } from './observe/canary/probe.ts';

const CANARY_FILE = 'canary';
/** Of one consumer. It is never slow enough to use it up. */
const CREDIT = 2 ** 40;

export interface ProbingPorts {
  readonly core: MesherCore;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Resolves with a canary that is not started yet; undefined: none is wanted. */
export async function makeCanary(
  { canary, cluster, data }: Pick<Config, 'canary' | 'cluster' | 'data'>,
  { core, driver, clock, random, log }: ProbingPorts,
): Promise<Canary | undefined> {
  const { everyMs } = canary;
  if (everyMs === 0) return undefined;
  return new Canary(
    { node: core.node, cluster, everyMs },
    {
      clock,
      random,
      log,
      targets: () => targetsOf(core),
      clusterOf: (node) => (core.members.isAdmitted(node) ? core.members.clusterOf(node) : undefined),
      publish: async (event) => {
        await driver.request((request) => ({
          kind: 'publish',
          request,
          qos: 'durable',
          report: false,
          events: [event],
        }));
      },
      listen: (filter, group, take) => {
        const session = driver.openSession(
          { deliver: (deliveries) => take(deliveries.map(({ event }) => event)), closed: () => undefined },
          (id) => ({ kind: 'attach-ephemeral', session: id, filter, group, credit: CREDIT }),
        );
        return () => driver.closeSession(session);
      },
      save: (record) => writeDataFile(data, CANARY_FILE, JSON.stringify(record)),
    },
    await readSaved(data),
  );
}

/** What is not as it was written is left out. */
async function readSaved(data: string): Promise<Record<string, SavedPair>> {
  const saved = (await readDataFile(data, CANARY_FILE)) ?? {};
  const pairs = Object.entries(saved).filter((entry): entry is [string, SavedPair] =>
    Value.Check(SavedPair, entry[1]),
  );
  return Object.fromEntries(pairs.slice(0, TARGETS_MAX));
}

function targetsOf(core: MesherCore): CanaryTarget[] {
  const others = new Map<string, NodeId[]>();
  const own = [core.node];
  for (const { record, status } of core.members.all()) {
    const { node, cluster } = record;
    if (cluster === core.cluster) {
      if (status === 'alive') own.push(node);
    } else others.set(cluster, [...(others.get(cluster) ?? []), node]);
  }
  return [...others].map(([cluster, nodes]) => ({
    cluster,
    isOurs: rendezvous(own, hash32(`canary/${cluster}`), (node) => node) === core.node,
    isLinked: nodes.some((node) => core.links.isUp(node)),
    listens: core.table.match(probeTopic(cluster)).some(({ node }) => nodes.includes(node)),
  }));
}
