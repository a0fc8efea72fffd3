// One soak, inside the enclosure: a baseline of what the meshers hold when they have warmed up and are idle again, then load
// through one outage of the link after the other, and at the end the same look once more.

import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/until.ts';
import { Load, type Progress } from './load.ts';
import { SoakMesh } from './mesh.ts';
import { type Plan, rateThatFits } from './plan.ts';
import { type Resources, type Sizes, sizesOf } from './resources.ts';
import { TOPIC } from './roles.ts';
import { breaches, excess, type Outage, type Seen } from './verdict.ts';

export interface SoakOptions {
  readonly plan: Plan;
  /** Events per second; undefined: a share of what the machine is found to hold. */
  readonly ratePerS: number | undefined;
  readonly payloadBytes: number;
  readonly publishers: number;
  /** Of each cluster. */
  readonly meshers: number;
  readonly flags: readonly string[];
  readonly folder: string;
  /** Of the disk that holds `folder`. */
  readonly freeBytes: number;
  readonly stop: AbortSignal;
  readonly say: (line: string) => void;
}

export interface Phase {
  readonly name: string;
  readonly seconds: number;
  readonly ackedPerS: number;
  readonly receivedPerS: number;
  /** At its end. */
  readonly backlog: number;
  /** The most of any mesher, at any look. */
  readonly rssMaxBytes: number;
  /** Of all meshers, at any look. */
  readonly diskMaxBytes: number;
  /** Of each mesher: how many it kept busy. */
  readonly cores: readonly number[];
}

export interface Done {
  readonly ratePerS: number;
  /** Of the calibration: what came through per second. */
  readonly highestPerS: number | undefined;
  readonly phases: readonly Phase[];
  readonly samples: readonly Sample[];
  readonly seen: Seen;
  readonly breaches: readonly string[];
  readonly stopped: boolean;
}

/** One look. */
export interface Sample {
  readonly atSeconds: number;
  readonly phase: string;
  readonly acked: number;
  readonly received: number;
  /** Of each mesher, those of cluster a first. */
  readonly sizes: readonly Sizes[];
}

const CALIBRATION_SECONDS = 8;
/** Of what came through at most: the rest is what a backlog is caught up with while the load goes on. */
const RATE_SHARE = 0.6;
const LOOK_EVERY_MS = 1_000;
const TELL_EVERY_LOOKS = 10;
/** Caught up: what is on its way is no more than what comes in so much time. */
const CAUGHT_UP_SECONDS = 1;
/** Meshers may be so long busy with what they do in the background once all is done: merging, closing, forgetting. */
const SETTLE_MS = 120_000;
const SETTLE_EVERY_MS = 3_000;
const MIB = 1024 * 1024;

export async function soak(options: SoakOptions): Promise<Done> {
  const { folder, meshers, flags, publishers, payloadBytes, say } = options;
  say(`starts ${2 * meshers} meshers in 2 clusters, and etcd`);
  const mesh = await SoakMesh.start(folder, meshers, flags);
  const [to] = mesh.meshers('b');
  if (!to) throw new Error('cluster b has no mesher');
  const load = await Load.open(publishers, payloadBytes, mesh.meshers('a'), to);
  await mesh.whenRouted(TOPIC);
  return new Soak(mesh, load, options).whole();
}

class Soak {
  readonly #mesh: SoakMesh;
  readonly #load: Load;
  readonly #options: SoakOptions;
  readonly #startedMs = performance.now();
  readonly #samples: Sample[] = [];
  readonly #phases: Phase[] = [];
  #progress: Progress = { acked: 0, received: 0, duplicates: 0, redelivered: 0, inDoubt: 0 };

  constructor(mesh: SoakMesh, load: Load, options: SoakOptions) {
    this.#mesh = mesh;
    this.#load = load;
    this.#options = options;
  }

  async whole(): Promise<Done> {
    const { plan, stop } = this.#options;
    const { ratePerS, highestPerS } = await this.#rate();
    await this.#load.start(ratePerS);
    await this.#during('warm-up', plan.steadySeconds);
    await this.#end('warm-up ends');
    const baseline = await this.#mesh.resources();
    await this.#load.start(ratePerS);
    const outages: Outage[] = [];
    for (const [at, seconds] of plan.outageSeconds.entries()) {
      await this.#during(`steady ${at + 1}`, plan.steadySeconds);
      outages.push(await this.#outage(`outage ${at + 1}`, seconds, ratePerS));
    }
    await this.#during('steady', plan.steadySeconds);
    await this.#end('load ends');
    const seen = await this.#look(baseline, outages);
    return {
      ratePerS,
      highestPerS,
      phases: this.#phases,
      samples: this.#samples,
      seen,
      breaches: breaches(seen),
      stopped: stop.aborted,
    };
  }

  /** As asked, or a share of what came through in a calibration and of what the disk has room for. */
  async #rate(): Promise<{ ratePerS: number; highestPerS: number | undefined }> {
    const { ratePerS: asked, plan, payloadBytes, freeBytes, say } = this.#options;
    if (asked !== undefined) return { ratePerS: asked, highestPerS: undefined };
    await this.#load.saturate(CALIBRATION_SECONDS / 2); // code is compiled
    const highestPerS = Math.round(await this.#load.saturate(CALIBRATION_SECONDS));
    const held = Math.floor(highestPerS * RATE_SHARE);
    const fits = rateThatFits(plan, payloadBytes, freeBytes);
    const ratePerS = Math.min(held, fits);
    const share = `${RATE_SHARE * 100} % are ${held}`;
    const disk = fits < held ? `; the disk has room for the backlog of ${fits}` : '';
    say(`${highestPerS} events/s came through; ${share}${disk}: offers ${ratePerS} events/s`);
    return { ratePerS, highestPerS };
  }

  /** The link is cut for so long; then it is waited for until the backlog is delivered, with the load going on. */
  async #outage(name: string, seconds: number, ratePerS: number): Promise<Outage> {
    const before = await this.#takeLook(name);
    const heal = await this.#mesh.cut();
    this.#tell(`${name}: the link is cut for ${seconds.toFixed(0)} s`);
    await this.#during(name, seconds);
    await heal();
    const after = await this.#takeLook(name);
    const backlog = after.acked - after.received;
    this.#tell(`${name}: the link is back; ${backlog} events wait`);
    const recoveredSeconds = await this.#recover(`recovery ${name.slice(-1)}`, ratePerS);
    return { seconds, backlog, acked: after.acked - before.acked, recoveredSeconds };
  }

  /** Undefined: the backlog did not shrink any more. */
  async #recover(name: string, ratePerS: number): Promise<number | undefined> {
    const startedMs = performance.now();
    let least = Infinity;
    const isCaughtUp = (): boolean => {
      const backlog = this.#progress.acked - this.#progress.received;
      least = Math.min(least, backlog);
      return backlog <= ratePerS * CAUGHT_UP_SECONDS || this.#options.stop.aborted;
    };
    const end = new AbortController();
    const looking = this.#during(name, Infinity, end.signal);
    try {
      await until(`the backlog is delivered (${name})`, isCaughtUp, { progress: () => least });
      return (performance.now() - startedMs) / 1000;
    } catch (error) {
      this.#options.say(String(error));
      return undefined;
    } finally {
      end.abort();
      await looking;
    }
  }

  /** No more load, and all of it has arrived where anything still comes. */
  async #end(why: string): Promise<void> {
    this.#tell(`${why}: waits until all that was acked has arrived`);
    await this.#load.stop();
    const end = new AbortController();
    const looking = this.#during('drain', Infinity, end.signal);
    try {
      await this.#load.whenArrived();
      await until('queues are empty', async () => Object.keys(await this.#mesh.queued()).length === 0);
    } catch (error) {
      this.#options.say(String(error));
    } finally {
      end.abort();
      await looking;
    }
  }

  async #look(baseline: readonly Resources[], outages: readonly Outage[]): Promise<Seen> {
    const end = await this.#settle(baseline);
    const { acked, duplicates, redelivered, inDoubt } = await this.#load.progress();
    const meshers = this.#mesh.meshers().flatMap(({ cluster }, at) => {
      const [before, after] = [baseline[at], end[at]];
      return before && after
        ? [{ name: `mesher ${at} (cluster ${cluster})`, baseline: before, end: after }]
        : [];
    });
    const doubts = {
      'published again, unanswered': inDoubt,
      'sent again over a link, doubtful': await this.#mesh.doubtful(),
      'delivered again by the mesher, and marked so': redelivered,
    };
    const [missing, queued] = [await this.#load.missing(), await this.#mesh.queued()];
    return { acked, missing, duplicates, doubts, queued, outages, meshers };
  }

  /** What they hold when nothing of it is too much any more, or at the end of all patience. */
  async #settle(baseline: readonly Resources[]): Promise<readonly Resources[]> {
    const deadlineMs = performance.now() + SETTLE_MS;
    for (;;) {
      const now = await this.#mesh.resources();
      const tooMuch = now.flatMap((each, at) => (baseline[at] ? excess(baseline[at], each) : []));
      if (tooMuch.length === 0 || performance.now() > deadlineMs) return now;
      this.#tell(`waits: ${tooMuch.join('; ')}`);
      await sleep(SETTLE_EVERY_MS);
    }
  }

  /** Looks again and again, for so long or until `end`. */
  async #during(name: string, seconds: number, end?: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([this.#options.stop, ...(end ? [end] : [])]);
    const startedMs = performance.now();
    const first = await this.#takeLook(name);
    let told = first;
    const from = this.#samples.length - 1;
    for (let looks = 1; !signal.aborted; looks++) {
      const leftMs = seconds * 1000 - (performance.now() - startedMs);
      if (leftMs <= 0) break;
      await sleep(Math.min(LOOK_EVERY_MS, leftMs), undefined, { signal }).catch(() => undefined);
      const sample = await this.#takeLook(name);
      if (looks % TELL_EVERY_LOOKS !== 0) continue;
      this.#tellRates(told, sample);
      told = sample;
    }
    this.#phases.push(phaseOf(name, first, this.#samples.slice(from)));
  }

  async #takeLook(phase: string): Promise<Sample> {
    this.#progress = await this.#load.progress();
    const sample: Sample = {
      atSeconds: (performance.now() - this.#startedMs) / 1000,
      phase,
      acked: this.#progress.acked,
      received: this.#progress.received,
      sizes: this.#mesh.meshers().map(sizesOf),
    };
    this.#samples.push(sample);
    return sample;
  }

  #tellRates(before: Sample, now: Sample): void {
    const seconds = now.atSeconds - before.atSeconds;
    const rate = (of: 'acked' | 'received'): string => ((now[of] - before[of]) / seconds).toFixed(0);
    const mib = (of: 'rssBytes' | 'diskBytes'): string =>
      now.sizes.map((each) => (each[of] / MIB).toFixed(0)).join(' + ');
    this.#tell(
      `${now.phase.padEnd(11)} ${rate('acked')} acked/s, ${rate('received')} delivered/s, ${now.acked - now.received} wait; memory ${mib('rssBytes')} MiB, disk ${mib('diskBytes')} MiB`,
    );
  }

  #tell(what: string): void {
    const at = ((performance.now() - this.#startedMs) / 1000).toFixed(0).padStart(6);
    this.#options.say(`${at} s  ${what}`);
  }
}

function phaseOf(name: string, first: Sample, samples: readonly Sample[]): Phase {
  const last = samples.at(-1) ?? first;
  const seconds = last.atSeconds - first.atSeconds;
  const perS = (count: number): number => (seconds > 0 ? Math.round(count / seconds) : 0);
  return {
    name,
    seconds,
    ackedPerS: perS(last.acked - first.acked),
    receivedPerS: perS(last.received - first.received),
    backlog: last.acked - last.received,
    rssMaxBytes: Math.max(...samples.flatMap(({ sizes }) => sizes.map(({ rssBytes }) => rssBytes))),
    diskMaxBytes: Math.max(
      ...samples.map(({ sizes }) => sizes.reduce((sum, { diskBytes }) => sum + diskBytes, 0)),
    ),
    cores: last.sizes.map(({ cpuUs }, at) =>
      seconds > 0 ? (cpuUs - (first.sizes[at]?.cpuUs ?? cpuUs)) / 1e6 / seconds : 0,
    ),
  };
}
