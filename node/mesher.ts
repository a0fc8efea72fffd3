// One mesher, put together: builds the parts, starts them in order, stops them in reverse.
//
//   key → registry → journal → incarnation → network → HTTP (answers `not-ready`) → core and driver
//
// The member record needs the addresses that the network and HTTP really got, so the core comes last.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { httpBridge } from '../bridge/http/bridge.ts';
import { wsBridge } from '../bridge/ws/bridge.ts';
import packageJson from '../package.json' with { type: 'json' };
import { keepLedger } from './accounting.ts';
import type { Config } from './config.ts';
import { splitHostPort } from './config/relations.ts';
import { MeshError } from './core/errors.ts';
import type { NodeId } from './core/event.ts';
import { signMember } from './core/membership.ts';
import { MesherCore } from './core/mesher-core.ts';
import type { Clock, NetworkEvents } from './core/ports.ts';
import type { Now } from './core/steps.ts';
import type { MesherView, MetricFamily } from './core/views.ts';
import { DiskWatch } from './disk-watch.ts';
import { Driver } from './driver.ts';
import { MesherDoor } from './front-door.ts';
import { deadLetterRoutes } from './http/dead-letters.ts';
import { LoopDelay } from './http/loop-delay.ts';
import { overviewRoutes } from './http/overview.ts';
import { DASHBOARD_FOLDER, dashboardRoutes } from './http/dashboard.ts';
import type { ProcessFigures } from './http/process-metrics.ts';
import { startHttpServer } from './http/server.ts';
import { LevelCopies } from './journal/level-copies.ts';
import { copiesIn, forgetFormerNames, formerNames, journalIn, watchCopies } from './lost-journal.ts';
import { openSound, takeIncarnation } from './identity.ts';
import { noteLeftOpen, takeLeftOpen } from './left-open.ts';
import { Libp2pNetwork } from './net/network.ts';
import type { Canary } from './observe/canary/canary.ts';
import { Traces } from './observe/history/traces.ts';
import { Observatory } from './observe/observatory.ts';
import { TraceCounts } from './observe/otel/trace-counts.ts';
import type { Tracing } from './observe/otel/tracing.ts';
import { Questions } from './observe/questions.ts';
import { TopicCounts } from './observe/topic-counts.ts';
import { journalMetrics, viewOf } from './mesher-view.ts';
import { makeCanary } from './probing.ts';
import { Heirless, whenReady } from './readiness.ts';

export interface MesherPorts {
  readonly log: Logger;
  /** The process's own figures, for /metrics. */
  readonly process: ProcessFigures;
}

export interface Mesher {
  readonly node: string;
  /** Base URL of its HTTP API. */
  readonly http: string;
  /** Resolves when it is ready for the first time. Rejects when it is stopped before. */
  readonly ready: Promise<void>;
  /** Resolves with what ended the mesher by itself. */
  readonly failed: Promise<Error>;
  /** What is committed stays; links, sessions and the registration end. */
  stop(): Promise<void>;
}

/** Folder of what is noted of refused and dead-lettered events, in the data folder. */
const TRACE = 'trace';
const { version } = packageJson;

const clock: Clock = { wall: () => Date.now(), monotonic: () => performance.now() };
const now = (): Now => ({ wall: clock.wall(), monotonic: clock.monotonic() });

/** Rejects with `invalid-config`, `storage-failed` or `registry-refused`; whatever was started by then is stopped again. */
export async function startMesher(config: Config, ports: MesherPorts): Promise<Mesher> {
  const stops: (() => Promise<void>)[] = [];
  const stopAll = async (): Promise<void> => {
    const failures: unknown[] = [];
    for (const stop of stops.splice(0).reverse())
      await stop().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0]; // the rest was stopped all the same
  };
  try {
    return await build(config, ports, stops, stopAll);
  } catch (error) {
    await stopAll();
    throw error;
  }
}

async function build(
  config: Config,
  { log, process: figures }: MesherPorts,
  stops: (() => Promise<void>)[],
  stopAll: () => Promise<void>,
): Promise<Mesher> {
  const { federation, cluster, limits, timing } = config;
  const random = Math.random;
  await mkdir(config.data, { recursive: true });
  const { keys, registry, revision, journal, recovered } = await openSound(config, log);
  stops.push(
    () => registry.close(),
    () => journal.close(),
  );
  const { node } = keys;
  const { store: copyStore, copies, damaged } = await LevelCopies.open(copiesIn(config.data));
  stops.push(() => copyStore.close());
  for (const { owner, error, aside } of damaged)
    log.error(
      { err: error, owner, aside },
      'a copy is damaged: it is put aside, and its owner sends it anew',
    );
  const started: {
    core?: MesherCore;
    driver?: Driver;
    observatory?: Observatory;
    canary?: Canary;
  } = {};
  const heirless = new Heirless(await formerNames(config.data));
  const traceCounts = new TraceCounts();
  const tracing = await openTracing(config, node, traceCounts, log);
  // Last of all: what the others do while they stop is traced as well.
  stops.unshift(async () =>
    tracing?.stop().catch((error: unknown) => log.warn({ err: error }, 'the last spans were not exported')),
  );
  const disk = new DiskWatch(
    { data: config.data, journal: journalIn(config.data), copies: copiesIn(config.data) },
    { log, changed: (state) => started.driver?.input({ kind: 'disk', state }) },
  );
  const questions = new Questions();
  const traces = new Traces(
    { events: config.trace.events, folder: join(config.data, TRACE) },
    { questions, log, random, now },
  );
  let stopCopiesWatch = (): void => undefined;
  let stopLedger = async (): Promise<void> => undefined;
  const abort = new AbortController();
  // Stops after HTTP and network, which are started later: what they brought in is committed, and no more comes.
  stops.push(async () => {
    disk.stop();
    stopCopiesWatch();
    await started.canary?.stop();
    await started.driver?.stop();
    await stopLedger();
    await traces.close();
    abort.abort();
    if (!started.driver) return;
    await registry
      .deregister()
      .catch((error: unknown) => log.info({ err: error }, 'not deregistered; the lease ends by itself'));
  });
  const { incarnation, before, rejoining } = await takeIncarnation(
    journal,
    registry,
    revision,
    clock.wall(),
    log,
  );
  const leftOpen = await takeLeftOpen(config.data, node, before);

  const network = new Libp2pNetwork(
    {
      federation,
      cluster,
      incarnation,
      listen: config.link.listen,
      announce: config.link.advertise,
      encryption: config.link.encryption,
      limits,
    },
    { keys, random, answer: questions.answer },
  );
  questions.through(network);
  const current = (): { core: MesherCore; driver: Driver } => {
    const { core, driver } = started;
    if (!core || !driver)
      throw new MeshError('not-ready', 'this mesher is still starting; try again shortly');
    const [why] = heirless.reasons(core);
    if (why !== undefined) throw new MeshError('not-ready', `${why}; try again later`);
    return { core, driver };
  };
  const early: NetworkInput[] = [];
  await network.start(lateEvents(early, () => started.driver?.networkEvents));
  stops.push(() => network.stop());

  const { ledger, reconciler } = keepLedger(node, incarnation, () => started.core, {
    questions,
    clock,
    random,
    log,
  });
  const door = new MesherDoor(
    { node, cluster, federation, limits },
    () => current().core,
    () => current().driver,
    traces,
  );
  const { host, port } = splitHostPort(config.http.listen);
  const webhook = { origin: `${cluster}.${federation}`, publicUrl: config.http.advertise };
  const streaming = wsBridge({ version, limits }, { door, clock, log });
  const families = (): MetricFamily[] => [
    ...journalMetrics(journal),
    ...disk.metrics(),
    ...traceCounts.metrics(),
    ...streaming.metrics(),
    ...reconciler.metrics(),
    ...(started.canary?.metrics() ?? []),
  ];
  const loopDelay = new LoopDelay();
  loopDelay.start();
  stops.push(async () => loopDelay.stop());
  const observatory = (): Observatory => {
    if (!started.observatory)
      throw new MeshError('not-ready', 'this mesher is still starting; try again shortly');
    return started.observatory;
  };
  const view: MesherView = {
    ...viewOf(() => started.core, heirless, registry, reconciler, families, limits, now),
    trace: (event) => traces.trace(event),
  };
  const server = await startHttpServer(
    { host, port, version, limits },
    {
      view,
      plugins: [
        httpBridge({ limits, webhook }, { door, clock, random, log, trace: tracing?.carrier }),
        streaming.plugin,
        overviewRoutes(observatory),
        deadLetterRoutes(() => observatory().deadLetters, limits),
        async (app) => app.register(dashboardRoutes, { folder: DASHBOARD_FOLDER }),
      ],
      upgrade: streaming,
      log,
      process: figures,
      loopDelay,
    },
  );
  stops.push(() => server.close());

  const self = signMember(keys, {
    federation,
    cluster,
    node,
    incarnation,
    addresses: config.link.advertise.length > 0 ? config.link.advertise : network.addresses,
    http: config.http.advertise ?? server.url,
    labels: config.labels,
    version,
  });
  const core = new MesherCore(
    { self, limits, timing, keys, random, replicas: config.replicas, rejoining },
    { ...recovered, copies },
    now(),
  );
  const topics = new TopicCounts();
  ledger.read(recovered);
  ledger.begin(leftOpen);
  const driver = new Driver(core, {
    observers: [topics, ledger, traces.start(core), tracing?.observer].filter((one) => one !== undefined),
    journal,
    copies: copyStore,
    network,
    registry,
    clock,
    log,
    sinkChanged: (name, subscription) => door.sinkChanged(name, subscription),
  });
  let hasFailed = false;
  void driver.failed.then(() => (hasFailed = true));
  stopLedger = async () => {
    reconciler.stop();
    if (hasFailed) return; // nobody knows what is on disk
    await noteLeftOpen(config.data, node, incarnation, ledger.openPlaces()).catch((error: unknown) =>
      log.warn({ err: error }, 'what waits cannot be noted; the next start takes the journal as it is'),
    );
  };
  Object.assign(started, { core, driver });
  void journal.failed.then((error) => driver.fail(error));
  copyStore.scrub(({ owner, error, aside }) => {
    log.error(
      { err: error, owner, aside },
      'a copy is damaged: where its owner is linked it is put aside, and sent anew; else it is moved as far as it can be read',
    );
    driver.input({ kind: 'copy-damaged', owner });
  });
  started.observatory = new Observatory({
    core,
    questions,
    clock,
    secret: Math.floor(random() * 2 ** 31),
    topics,
    loopDelay,
    federation: () => view.federation(),
    notReady: () => view.notReady(),
    disk: () => disk.figures(),
    rssBytes: () => figures.memoryUsage().rss,
    operators: config.dashboard.operators,
    load: (queue, blocks) =>
      journal.load(queue, blocks).catch((error: unknown) => {
        driver.fail(error); // as where a delivery reads it
        throw error;
      }),
    request: (make) => driver.request(make),
    ledger: (peer) => reconciler.verdictOf(peer),
    canaries: () => started.canary?.overviews() ?? [],
    fault: (error) => log.error({ err: error }, 'the overview cannot be made'),
  });
  started.observatory.start(abort.signal);
  stopCopiesWatch = await watchCopies(config.data, node, core.replication, log);
  for (const replay of early.splice(0)) replay(driver.networkEvents);
  driver.start(timing.tickMs, abort.signal);
  disk.start();
  reconciler.start();
  const canary = await makeCanary(config, { core, driver, clock, random, log });
  if (canary) Object.assign(started, { canary });
  canary?.start();
  log.info(
    { node, cluster, federation, incarnation, http: server.url, addresses: network.addresses },
    'mesher started',
  );
  const opened = heirless.whenNone(core, abort.signal).then(async () => {
    await forgetFormerNames(config.data);
    door.open();
  });
  const ready = opened.then(() => whenReady(core, driver, abort.signal, log));
  ready.catch(() => undefined); // whoever does not wait for it need not hear that it was stopped before
  return { node, http: server.url, ready, failed: driver.failed, stop: stopAll };
}

/** Undefined where it is off: then none of it is loaded. */
async function openTracing(
  { tracing, federation, cluster }: Config,
  node: NodeId,
  counts: TraceCounts,
  log: Logger,
): Promise<Tracing | undefined> {
  const { endpoint, headersFile, sampleRatio } = tracing;
  if (endpoint === undefined) return undefined;
  const { startTracing } = await import('./observe/otel/tracing.ts');
  const identity = { federation, cluster, node, version };
  return startTracing({ endpoint, headersFile, sampleRatio, ...identity }, counts, log);
}

type NetworkInput = (events: NetworkEvents) => void;

/** The network starts before the core: what it tells meanwhile is kept, in order. Only members get in, and none is known yet. */
function lateEvents(early: NetworkInput[], events: () => NetworkEvents | undefined): NetworkEvents {
  const tell = (input: NetworkInput): void => {
    const target = events();
    if (target) input(target);
    else early.push(input);
  };
  return {
    linkUp: (peer, hello) => tell((to) => to.linkUp(peer, hello)),
    linkDown: (peer, reason) => tell((to) => to.linkDown(peer, reason)),
    messages: (peer, messages) => tell((to) => to.messages(peer, messages)),
    gossip: (bytes) => tell((to) => to.gossip(bytes)),
    stranger: (peer) => tell((to) => to.stranger(peer)),
    drained: (peer) => tell((to) => to.drained(peer)),
    refused: (peer, reason) => tell((to) => to.refused(peer, reason)),
  };
}
