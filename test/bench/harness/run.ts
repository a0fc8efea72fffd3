// One run of a subject: its data folder on a real disk, and its processes with their roles. Whatever was started ends with
// it, also when the run fails or the benchmark is interrupted, and the folder goes too.
//
//   await withRun('http', async (run) => {
//     const federation = await run.federation({ clusters: { a: 1 } });
//     const load = run.role<LoadRole>('client', join(import.meta.dirname, 'load.ts'));
//     await load.call('warmUp', …);
//     const { result, figures } = await run.measure(() => load.call('load', …));
//     return sampleOf({ value: result.events / figures.seconds, events: result.events }, figures);
//   });

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Federation, type FederationOptions, type RunningMesher } from '../../support/federation.ts';
import { countFsyncs } from './fsyncs.ts';
import { type LoopDelayWindow, loopDelayOf } from './loop-delay.ts';
import { processFigures } from './proc.ts';
import { startProfile } from './profile.ts';
import { type Methods, Role } from './role.ts';
import type { Sample } from './scenario.ts';

/** `server`: what is measured; its memory and event loop count. `client`: loads and takes; its CPU counts all the same. */
export type RoleKind = 'server' | 'client';

export interface RoleOptions {
  readonly args?: readonly string[];
  /** For Node itself. */
  readonly nodeFlags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Of a window of a run. A figure that cannot be had on this system is left out. */
export interface Figures {
  readonly seconds: number;
  /** Of all processes of the run, the benchmark's own excepted. */
  readonly cpuUs?: number;
  readonly serverCpuUs?: number;
  /** The largest server's, since its start. */
  readonly rssMaxBytes?: number;
  /** The largest Node server's. */
  readonly loopDelayP99Ms?: number;
  /** Writes of the meshers' journals that ended with an fsync; undefined without a mesher. */
  readonly journalSyncs?: number;
}

interface Watched {
  readonly kind: RoleKind;
  readonly name: string;
  readonly pid: number;
  /** Of an event loop that can be asked. */
  readonly delay?: LoopDelayWindow;
}

const SYNCS = 'causeway_journal_syncs_total';
/** In the project's folder, which is on a disk wherever a clone is; what is temporary often is in memory only. */
const BASE = join(import.meta.dirname, '../../../.causeway');

/** The folder under which runs keep their data. */
export function dataFolder(): string {
  mkdirSync(BASE, { recursive: true });
  return BASE;
}

export async function withRun<T>(name: string, work: (run: Run) => Promise<T>): Promise<T> {
  const run = new Run(name);
  try {
    return await work(run);
  } finally {
    await run.end();
  }
}

export class Run {
  readonly folder: string;
  readonly #children = new Set<ChildProcess>();
  readonly #watched: Watched[] = [];
  readonly #federations: Federation[] = [];
  readonly #ends: (() => Promise<void>)[] = [];
  /** When the benchmark itself is ended, nothing asynchronous happens any more. */
  readonly #endNow = (): void => {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const federation of this.#federations) federation.endNow();
    rmSync(this.folder, { recursive: true, force: true });
  };

  constructor(name: string) {
    this.folder = mkdtempSync(join(dataFolder(), `bench-${name}-`));
    process.once('exit', this.#endNow);
  }

  /** Starts a module that plays a role (see role.ts) in a process of its own. */
  role<T extends Methods<T>>(kind: RoleKind, module: string, options: RoleOptions = {}): Role<T> {
    const { args = [], nodeFlags = [], env = {} } = options;
    const child = spawn(process.execPath, [...nodeFlags, module, ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      serialization: 'advanced',
      env: { ...process.env, ...env },
    });
    this.#keep(child);
    const role = new Role<T>(basename(module), child);
    this.#watched.push({
      kind,
      name: basename(module),
      pid: role.pid,
      delay: { forget: () => role.forgetDelay(), p99Ms: () => role.delayP99Ms() },
    });
    return role;
  }

  /** Starts any other program; its output is the caller's to read. */
  program(kind: RoleKind, command: string, args: readonly string[], options: RoleOptions = {}): ChildProcess {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
    });
    this.#keep(child);
    if (child.pid !== undefined) this.#watched.push({ kind, name: basename(command), pid: child.pid });
    return child;
  }

  /** Meshers, each a server, linked and ready; their data is in this run's folder. */
  async federation(options: FederationOptions): Promise<Federation> {
    const federation = await Federation.start(
      { after: (end: () => Promise<void>) => void this.#ends.push(end) },
      { ...options, parent: this.folder, started: (each) => void this.#federations.push(each) },
    );
    for (const mesher of federation.meshers()) this.#watchMesher(mesher);
    const registry = federation.registry?.pid;
    if (registry !== undefined) this.#watched.push({ kind: 'client', name: 'registry', pid: registry });
    return federation;
  }

  /** One more mesher, which is not waited for. */
  async join(federation: Federation, cluster: string): Promise<RunningMesher> {
    const mesher = await federation.join(cluster);
    this.#watchMesher(mesher);
    return mesher;
  }

  #watchMesher(mesher: RunningMesher): void {
    const { pid } = mesher.program;
    if (pid === undefined) return;
    this.#watched.push({
      kind: 'server',
      name: `mesher of ${mesher.cluster}`,
      pid,
      delay: loopDelayOf(mesher),
    });
  }

  /** Takes a window's figures around `work`. Warm up before. */
  async measure<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly figures: Figures }> {
    const servers = this.#watched.filter(({ kind }) => kind === 'server');
    const loops = servers.flatMap(({ delay }) => delay ?? []);
    await Promise.all(loops.map(({ forget }) => forget()));
    const syncsBefore = await this.#journalSyncs();
    const before = this.#cpuUs();
    const names = new Map(this.#watched.map(({ pid, name }) => [pid, name]));
    const endProfile = await startProfile(join(this.folder, 'perf.data'), names);
    const startedMs = performance.now();
    const result = await work();
    const seconds = (performance.now() - startedMs) / 1000;
    const after = this.#cpuUs();
    for (const line of (await endProfile?.()) ?? []) process.stdout.write(`      ${line}\n`);
    const delays = await Promise.all(loops.map(({ p99Ms }) => p99Ms()));
    const syncsAfter = await this.#journalSyncs();
    const figures: Figures = {
      seconds,
      ...(before && after && { cpuUs: after.all - before.all, serverCpuUs: after.servers - before.servers }),
      ...this.#rssMax(servers),
      ...(delays.length > 0 && { loopDelayP99Ms: Math.max(...delays) }),
      ...(syncsBefore !== undefined &&
        syncsAfter !== undefined && { journalSyncs: syncsAfter - syncsBefore }),
    };
    return { result, figures };
  }

  /**
   * The servers' calls of fsync and its kin during `work`, those of background compactions included, by strace; undefined where it
   * is not there or may not trace. It slows what it traces many times over: never measure time of such a run.
   */
  async countFsyncs(work: () => Promise<void>): Promise<number | undefined> {
    const pids = this.#watched.filter(({ kind }) => kind === 'server').map(({ pid }) => pid);
    return countFsyncs(pids, work);
  }

  #cpuUs(): { readonly all: number; readonly servers: number } | undefined {
    let [all, servers] = [0, 0];
    for (const { kind, pid } of this.#watched) {
      const figures = processFigures(pid);
      if (!figures) return undefined;
      all += figures.cpuUs;
      if (kind === 'server') servers += figures.cpuUs;
    }
    return { all, servers };
  }

  #rssMax(servers: readonly Watched[]): { rssMaxBytes?: number } {
    const known = servers.flatMap(({ pid }) => processFigures(pid)?.rssMaxBytes ?? []);
    return known.length === 0 ? {} : { rssMaxBytes: Math.max(...known) };
  }

  async #journalSyncs(): Promise<number | undefined> {
    const meshers = this.#federations.flatMap((federation) => federation.meshers());
    if (meshers.length === 0) return undefined;
    const syncs = await Promise.all(meshers.map((mesher) => mesher.metric(SYNCS)));
    return syncs.reduce((sum, each) => sum + each, 0);
  }

  #keep(child: ChildProcess): void {
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    child.once('error', () => this.#children.delete(child));
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
    const gone = [...this.#children].map((child) => once(child, 'exit'));
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(gone);
    rmSync(this.folder, { recursive: true, force: true });
    process.off('exit', this.#endNow);
  }
}

/** A sample of a window: what is given, and the window's figures by event. */
export function sampleOf(
  given: Pick<Sample, 'value' | 'events' | 'more' | 'fsyncsPerEvent'>,
  { cpuUs, rssMaxBytes, loopDelayP99Ms, journalSyncs }: Figures,
): Sample {
  const { events } = given;
  return {
    ...(cpuUs !== undefined && { cpuUsPerEvent: cpuUs / events }),
    ...(journalSyncs !== undefined && { fsyncsPerEvent: journalSyncs / events }),
    ...(rssMaxBytes !== undefined && { rssMaxBytes }),
    ...(loopDelayP99Ms !== undefined && { loopDelayP99Ms }),
    ...given,
  };
}
