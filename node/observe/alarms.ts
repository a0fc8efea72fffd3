// What somebody has to look at, of all that was gathered: a pure function. Each alarm says what, where, since when and why in one
// sentence, and what to do in another.

import type { NodeId } from '../core/event.ts';
import type { Alarm, LinkOverview, MesherOverview, Overview } from '../core/overview.ts';
import { inWords } from './own-subscriptions.ts';
import type { MesherReport } from './report.ts';

export interface AlarmFacts {
  readonly overview: Omit<Overview, 'alarms' | 'topics' | 'cut'>;
  /** What an overview does not show of a mesher; of those that answered. */
  readonly reports: ReadonlyMap<NodeId, Pick<MesherReport, 'droppedLately' | 'copiesWanted'>>;
  /** Wall clock, ms, at which a mesher's status was found to be what it is; of those for whom it is known. */
  readonly statusSince: ReadonlyMap<NodeId, number>;
}

/** An alarm whose beginning the facts may not say: 0 then. */
type Found = Alarm;

const REGISTRY_PATIENCE_MS = 5_000;
const START_PATIENCE_MS = 30_000;
const DISK_LOW_BYTES = 1024 ** 3;
const LOOP_LATE_MS = 250;
const LOOP_VERY_LATE_MS = 1_000;
/** Of probes that were due in five minutes; of fewer nothing is said. */
const CANARIES_MIN = 5;
const CANARY_GOOD = 0.99;
const CANARY_BAD = 0.5;

/** In the order in which they are shown, among those of one severity. */
const FINDERS: readonly ((facts: AlarmFacts) => readonly Found[])[] = [
  meshersAway,
  linksDown,
  ledgers,
  canaries,
  notReady,
  disks,
  copies,
  stuck,
  linksTroubled,
  eventLoops,
  slowSubscribers,
  deadLetters,
  registry,
];

/** The worst first. `since` is 0 where the facts do not say it. */
export function findAlarms(facts: AlarmFacts): Alarm[] {
  const all = FINDERS.flatMap((find) => find(facts));
  return [
    ...all.filter(({ severity }) => severity === 'critical'),
    ...all.filter(({ severity }) => severity !== 'critical'),
  ];
}

/** Remembers since when an alarm stands of which the facts do not say it. */
export class AlarmMemory {
  #since = new Map<string, number>();

  /** `at`: wall clock, ms. */
  date(alarms: readonly Alarm[], at: number): Alarm[] {
    const known = this.#since;
    this.#since = new Map();
    return alarms.map((alarm) => {
      if (alarm.since !== 0) return alarm;
      const key = JSON.stringify([alarm.code, alarm.about]);
      const since = known.get(key) ?? at;
      this.#since.set(key, since);
      return { ...alarm, since };
    });
  }
}

/** `12D3Koo…` is the same in all names: what is told apart is their end. */
export function shortName(node: NodeId): string {
  return node.length > 8 ? `…${node.slice(-6)}` : node;
}

function nameIn(facts: AlarmFacts): (node: NodeId) => string {
  const clusters = new Map(facts.overview.meshers.map(({ node, cluster }) => [node, cluster]));
  return (node) => {
    const cluster = clusters.get(node);
    return cluster === undefined ? `mesher ${shortName(node)}` : `mesher ${shortName(node)} of ${cluster}`;
  };
}

/** Of today and of any day: `2026-01-31 17:30:05 UTC`. */
function time(wall: number): string {
  const at = new Date(wall);
  return Number.isNaN(at.getTime())
    ? 'an unknown time'
    : `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** People's own words end without a full stop here: the sentence has one. Peers say them: each run of blanks is looked at once. */
function clause(text: string): string {
  return text.replace(/(?<![.\s])[.\s]+$/, '');
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// ─────────────────────────────────────────────────────────── meshers and links

function isAway({ status, silent }: MesherOverview): boolean {
  return status !== 'alive' && silent !== '';
}

function meshersAway(facts: AlarmFacts): Found[] {
  const name = nameIn(facts);
  return facts.overview.meshers.flatMap((mesher): Found[] => {
    const { node, cluster, status, silent } = mesher;
    const about = { cluster, mesher: node };
    const since = facts.statusSince.get(node) ?? 0;
    const when = since === 0 ? '' : ` since ${time(since)}`;
    if (isAway(mesher) && status === 'dead')
      return [
        {
          severity: 'critical',
          code: 'mesher-dead',
          text: `${capital(name(node))} is dead${when}: the registry does not list it, and ${clause(silent)}.`,
          help: 'Start it again with its data folder; if it is gone for good, others of its cluster take it over where replicas is above 1, and its queues are kept for seven days.',
          since,
          about,
        },
      ];
    if (isAway(mesher))
      return [
        {
          severity: 'critical',
          code: 'mesher-suspect',
          text: `${capital(name(node))} is suspect${when}: the registry does not list it any more, and ${clause(silent)}.`,
          help: 'See whether its process runs, and whether it reaches the registry; what is meant for it waits.',
          since,
          about,
        },
      ];
    const isLinked = !facts.overview.links.some(
      ({ from, to, state }) => from === facts.overview.self && to === node && state === 'down',
    );
    if (silent !== '' && isLinked)
      return [
        {
          severity: 'warning',
          code: 'mesher-silent',
          text: `${capital(name(node))} is linked and tells nothing of itself: ${clause(silent)}.`,
          help: 'See its log, and whether it runs the same version as the others; events are not held up by this.',
          since: 0,
          about,
        },
      ];
    return [];
  });
}

/** Both ends' views of each link, as far as they are known. */
function pairs(facts: AlarmFacts): readonly (readonly LinkOverview[])[] {
  const found = new Map<string, LinkOverview[]>();
  for (const link of facts.overview.links) {
    const key = [link.from, link.to].sort().join(' ');
    const both = found.get(key);
    if (both) both.push(link);
    else found.set(key, [link]);
  }
  return [...found.values()];
}

function aboutLink(facts: AlarmFacts, { from, to }: LinkOverview): Alarm['about'] {
  const cluster = facts.overview.meshers.find(({ node }) => node === from)?.cluster;
  return { ...(cluster !== undefined && { cluster }), mesher: from, peer: to };
}

/** Links to meshers that are away themselves are not told again. */
function linksDown(facts: AlarmFacts): Found[] {
  const name = nameIn(facts);
  const away = new Set(facts.overview.meshers.filter(isAway).map(({ node }) => node));
  const known = new Set(facts.overview.meshers.map(({ node }) => node));
  return pairs(facts).flatMap((both): Found[] => {
    const down = both.filter(({ state }) => state === 'down');
    const [first, second] = down;
    if (!first || away.has(first.from) || away.has(first.to) || !known.has(first.to)) return [];
    const since = Math.min(...down.map((link) => link.since));
    const said = [...new Set(down.map(({ why }) => clause(why)).filter((why) => why !== ''))];
    const why =
      second && said.length > 1
        ? down.map((link) => `${name(link.from)} says "${clause(link.why)}"`).join(', ')
        : (said[0] ?? 'nobody says why');
    const queued = down.reduce((sum, link) => sum + link.queued, 0);
    const waits = queued === 0 ? '' : `; ${queued} events wait for it`;
    return [
      {
        severity: 'critical',
        code: 'link-down',
        text: `The link between ${name(first.from)} and ${name(first.to)} is down since ${time(since)}: ${why}${waits}.`,
        help: `See whether ${name(first.to)} can be reached from ${name(first.from)} at the address it advertises (--advertise), and what both logs say of "link down"; nothing is lost, events wait on disk.`,
        since,
        about: aboutLink(facts, first),
      },
    ];
  });
}

function linksTroubled(facts: AlarmFacts): Found[] {
  const name = nameIn(facts);
  return facts.overview.links.flatMap((link): Found[] => {
    const { from, to, state, why, since, queued } = link;
    const about = aboutLink(facts, link);
    if (state === 'slow')
      return [
        {
          severity: 'warning',
          code: 'link-slow',
          text: `The link from ${name(from)} to ${name(to)} is slow since ${time(since)}: ${clause(why)}${queued > 0 ? `; ${queued} events wait for it` : ''}.`,
          help: 'See the network between the two, and whether the receiving mesher is short of CPU or disk.',
          since,
          about,
        },
      ];
    if (state === 'gapped')
      return [
        {
          severity: 'warning',
          code: 'routes-gapped',
          text: `${capital(name(from))} does not know all routes of ${name(to)} since ${time(since)}: ${clause(why)}.`,
          help: 'It mends itself within seconds where links stand; if it stays, see the log of both for refused routes (causeway_routes_refused_total).',
          since,
          about,
        },
      ];
    return [];
  });
}

function ledgers(facts: AlarmFacts): Found[] {
  const name = nameIn(facts);
  return facts.overview.links.flatMap((link): Found[] =>
    link.ledger?.outcome !== 'differs'
      ? []
      : [
          {
            severity: 'critical',
            code: 'ledger-differs',
            text: `The two ends of the link from ${name(link.from)} to ${name(link.to)} count differently at ${time(link.ledger.at)}: ${clause(link.ledger.text)}.`,
            help: 'Keep both data folders and logs as they are, and report this: events may be lost or doubled.',
            since: link.ledger.at,
            about: aboutLink(facts, link),
          },
        ],
  );
}

function canaries({ overview }: AlarmFacts): Found[] {
  return overview.canaries.flatMap(({ from, to, lately, lastAt }): Found[] => {
    const { availability, sent, arrived } = lately;
    if (availability === undefined || sent < CANARIES_MIN || availability >= CANARY_GOOD) return [];
    return [
      {
        severity: availability < CANARY_BAD ? 'critical' : 'warning',
        code: 'canary-failing',
        text: `Of ${sent} probes from ${from} to ${to} in the last five minutes ${arrived} arrived, the last at ${lastAt === 0 ? 'no time' : time(lastAt)}.`,
        help: `See the links between ${from} and ${to}: events between them are late, or wait.`,
        since: 0,
        about: { cluster: from },
      },
    ];
  });
}

// ─────────────────────────────────────────────────────────── within a mesher

type Figured = MesherOverview & { readonly figures: NonNullable<MesherOverview['figures']> };

/** One alarm, or none, of each mesher that answered. */
function each(
  facts: AlarmFacts,
  find: (mesher: Figured, name: string) => Omit<Found, 'about' | 'since'> | undefined,
): Found[] {
  const name = nameIn(facts);
  return facts.overview.meshers.flatMap((mesher): Found[] => {
    const { figures, node, cluster } = mesher;
    const found = figures && find({ ...mesher, figures }, name(node));
    return found ? [{ ...found, since: 0, about: { cluster, mesher: node } }] : [];
  });
}

function notReady(facts: AlarmFacts): Found[] {
  return each(facts, ({ figures: { ready, upSince } }, name) =>
    ready.ready || facts.overview.at - upSince < START_PATIENCE_MS
      ? undefined
      : {
          severity: 'critical',
          code: 'not-ready',
          text: `${capital(name)} is not ready: ${clause(ready.why.join('; ')) || 'it does not say why'}.`,
          help: 'What it names has to be mended there; until then clients are to use another mesher.',
        },
  );
}

function disks(facts: AlarmFacts): Found[] {
  return each(facts, ({ figures: { disk } }, name) => {
    const low = disk.freeBytes > 0 && disk.freeBytes < DISK_LOW_BYTES;
    if (!disk.full && !low) return undefined;
    const free = `${Math.round(disk.freeBytes / 1024 ** 2)} MiB are free, and its journal takes ${Math.round(disk.journalBytes / 1024 ** 2)} MiB`;
    return {
      severity: disk.full ? 'critical' : 'warning',
      code: 'disk-nearly-full',
      text: disk.full
        ? `The disk of ${name} is full, and it refuses to be published to: ${free}.`
        : `The disk of ${name} is nearly full: ${free}.`,
      help: 'Free space where its data folder is, or let consumers take what waits there: the journal shrinks with its queues.',
    };
  });
}

function copies(facts: AlarmFacts): Found[] {
  return each(facts, ({ node, figures }, name) => {
    const wanted = facts.reports.get(node)?.copiesWanted ?? 0;
    const whole = figures.copies.filter(({ state, complete }) => state === 'streaming' && complete).length;
    if (whole >= wanted) return undefined;
    return {
      severity: whole === 0 ? 'critical' : 'warning',
      code: 'copies-missing',
      text: `${capital(name)} has ${whole} of ${wanted} complete copies of its journal on other meshers: if its disk were lost now, events could be, too.`,
      help: 'Bring the other meshers of its cluster back, or add one; copies that are being filled need only time.',
    };
  });
}

function eventLoops(facts: AlarmFacts): Found[] {
  return each(facts, ({ figures: { eventLoopDelayMs } }, name) => {
    const { p99 } = eventLoopDelayMs;
    if (p99 < LOOP_LATE_MS) return undefined;
    return {
      severity: p99 < LOOP_VERY_LATE_MS ? 'warning' : 'critical',
      code: 'event-loop-late',
      text: `${capital(name)} is short of CPU: in the last minute one turn in a hundred of its event loop came ${inWordsShort(p99)} late or more.`,
      help: 'Give it more CPU, or take other work off its machine; a mesher uses one core.',
    };
  });
}

function inWordsShort(ms: number): string {
  return ms < 10_000 ? `${Math.round(ms)} ms` : inWords(ms);
}

function slowSubscribers(facts: AlarmFacts): Found[] {
  return each(facts, ({ node }, name) => {
    const lately = facts.reports.get(node)?.droppedLately ?? {};
    const [slow, full] = [lately['slow-subscriber'] ?? 0, lately['queue-limit'] ?? 0];
    if (slow === 0 && full === 0) return undefined;
    return {
      severity: 'warning',
      code: 'subscriber-slow',
      text: `In the last minute ${name} dropped ${[
        ...(slow > 0
          ? [`${slow} events for subscribers without a queue on disk that take less than comes`]
          : []),
        ...(full > 0 ? [`${full} events at the bound of subscriptions' queues (queueEventsMax)`] : []),
      ].join(', and ')}.`,
      help: 'Give those consumers a durable subscription, or more of them a share of a group, or narrow their filter.',
    };
  });
}

function deadLetters(facts: AlarmFacts): Found[] {
  return each(facts, ({ figures }, name) =>
    figures.deadLetters === 0
      ? undefined
      : {
          severity: 'warning',
          code: 'dead-letters',
          text: `${figures.deadLetters === 1 ? '1 event is a dead letter' : `${figures.deadLetters} events are dead letters`} on ${name}: consumers rejected them, or failed with them too often.`,
          help: 'Look at them (on the dashboard, or by GET /v1/dead-letters), mend the consumer, and redrive or drop them.',
        },
  );
}

function stuck(facts: AlarmFacts): Found[] {
  const name = nameIn(facts);
  return facts.overview.subscriptions.flatMap((one): Found[] =>
    one.stuck === ''
      ? []
      : [
          {
            severity: 'warning',
            code: 'subscription-stuck',
            text: `Subscription ${one.name} (${one.topic}) on ${name(one.mesher)} does not keep up: ${clause(one.stuck)}${one.oldestAt === 0 ? '' : `; the oldest is of ${time(one.oldestAt)}`}.`,
            help:
              one.via === 'webhook'
                ? 'See whether its webhook answers with 2xx; nothing is lost meanwhile, retries go on.'
                : one.via === 'nobody'
                  ? 'Start its consumer, or delete the subscription if nobody wants it any more.'
                  : 'See whether its consumers settle what they get, and add some if they cannot do more.',
            since: 0,
            about: { cluster: one.cluster, mesher: one.mesher, subscription: one.name },
          },
        ],
  );
}

function registry({ overview }: AlarmFacts): Found[] {
  const { state, address, sinceMs } = overview.registry;
  if (state === 'up' || sinceMs < REGISTRY_PATIENCE_MS) return [];
  const since = overview.at - sinceMs;
  const cluster = overview.meshers.find(({ node }) => node === overview.self)?.cluster ?? '';
  return [
    {
      severity: 'warning',
      code: 'registry-down',
      text: `The registry ${address} ${state === 'never-reached' ? 'was never reached' : `cannot be reached since ${time(since)}`}, as mesher ${shortName(overview.self)} of ${cluster} sees it.`,
      help: 'Bring it back, or mend its address and credentials; until then nobody can join or be taken over, and events flow as before.',
      since,
      about: { cluster, mesher: overview.self },
    },
  ];
}
