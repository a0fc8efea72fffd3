// What this mesher alone has to say of an event: its history in memory, its log on disk, and its queues as they are now.

import type { MesherCore } from '../../core/mesher-core.ts';
import type { Now } from '../../core/steps.ts';
import type { EventHistory } from './event-history.ts';
import type { Named } from '../../wire/event-names.ts';
import { type LocalHop, recall } from './recall.ts';
import type { TraceLog } from './trace-log.ts';
import { HOPS_TOLD_MAX, type LocalTrace, WAITS_TOLD_MAX } from './trace-question.ts';
import { whyWaiting } from './waiting.ts';

export interface LocalTracePorts {
  readonly history: EventHistory;
  readonly log: TraceLog;
  readonly core: MesherCore;
  readonly now: () => Now;
}

export async function traceHere(
  { history, log, core, now }: LocalTracePorts,
  event: Named,
): Promise<LocalTrace> {
  const logged = await log.of(event);
  const { hops, open } = recall(history, event.source, event.id);
  const all = [...logged.filter((hop) => !hops.some((other) => isSame(hop, other))), ...hops];
  all.sort((a, b) => a.at - b.at); // stable: hops of one moment are in order
  const waits = open.flatMap((entry) => whyWaiting(core, entry, hops, now()) ?? []);
  return {
    hops: all.slice(-HOPS_TOLD_MAX),
    waits: [...new Set(waits)].slice(0, WAITS_TOLD_MAX),
    since: history.since,
  };
}

/** What is in the log of this life is in the history, too. */
function isSame(a: LocalHop, b: LocalHop): boolean {
  return a.at === b.at && a.what === b.what && a.subscription === b.subscription;
}
