// How long a mesher takes from the start of its process until it says that it is ready, and the memory that it takes by then.

import { setTimeout as wait } from 'node:timers/promises';
import { withRun, type Run } from '../harness/run.ts';
import type { Sample, Subject } from '../harness/scenario.ts';
import type { RunningMesher } from '../../support/federation.ts';
import { type Backlog, SUBSCRIPTION } from './backlog.ts';
import { giveJournal } from './prepared.ts';

/** A whole line: its time is the mesher's own, however late it comes here. */
const READY = /"msg":"ready"\}$/;
const LOOK_EVERY_MS = 50;
const LOOKS_MAX = 100;

export function startUp(name: string, backlog: Backlog): Subject {
  return {
    name: `with ${name}`,
    run: () =>
      withRun('growth', async (run) => {
        const { mesher, startedMs } = await startWith(run, name, backlog);
        const sample = await sampleOfStart(mesher, startedMs);
        await mustHold(mesher, backlog);
        return { ...sample, ...(await memoryOf(run)) };
      }),
  };
}

export const emptyStart: Subject = {
  name: 'with nothing',
  run: () =>
    withRun('growth', async (run) => {
      let startedMs = 0;
      const prepare = async (): Promise<void> => void (startedMs = Date.now());
      const mesher = (await run.federation({ clusters: { a: 1 }, prepare })).mesher('a');
      return { ...(await sampleOfStart(mesher, startedMs)), ...(await memoryOf(run)) };
    }),
};

export async function startWith(
  run: Run,
  name: string,
  backlog: Backlog,
): Promise<{ readonly mesher: RunningMesher; readonly startedMs: number }> {
  let startedMs = 0;
  const prepare = async (_cluster: string, data: string): Promise<void> => {
    await giveJournal(run, name, data, (writer, folder) => writer.call('writeBacklog', { folder, backlog }));
    startedMs = Date.now();
  };
  const federation = await run.federation({ clusters: { a: 1 }, prepare });
  return { mesher: federation.mesher('a'), startedMs };
}

async function sampleOfStart(mesher: RunningMesher, startedMs: number): Promise<Sample> {
  for (let looks = 0; looks < LOOKS_MAX; looks++) {
    const ready = mesher.program.output.split('\n').find((line) => READY.test(line));
    if (ready !== undefined) {
      const { time } = JSON.parse(ready) as { readonly time: number };
      return { value: (time - startedMs) / 1000, events: 1 };
    }
    await wait(LOOK_EVERY_MS);
  }
  throw new Error(`it never said that it is ready:\n${mesher.program.output}`);
}

async function memoryOf(run: Run): Promise<Partial<Sample>> {
  const { figures } = await run.measure(async () => undefined);
  const { rssMaxBytes } = figures;
  return rssMaxBytes === undefined ? {} : { rssMaxBytes };
}

/** All of it is known: nothing was lost on the way. */
async function mustHold(mesher: RunningMesher, { events, wantedBy }: Backlog): Promise<void> {
  const depth = wantedBy === 'subscription' ? await depthOf(mesher, SUBSCRIPTION) : await lanesDepth(mesher);
  if (depth !== events) throw new Error(`${depth} events are queued, of ${events}`);
}

export async function depthOf(mesher: RunningMesher, subscription: string): Promise<number> {
  const { state } = await mesher.get<{ state: { depth: number } }>(`/v1/subscriptions/${subscription}`);
  return state.depth;
}

async function lanesDepth(mesher: RunningMesher): Promise<number> {
  const queues = await mesher.queues();
  return queues.reduce((sum, { depth }) => sum + depth, 0);
}
