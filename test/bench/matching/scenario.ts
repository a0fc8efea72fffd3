// Scenario 8: how fast a mesher finds who wants a topic, and what it holds for that, from a thousand to a million filters.

import { join } from 'node:path';
import { withRun } from '../harness/run.ts';
import type { Row, Sample, Scenario, Size, Subject } from '../harness/scenario.ts';
import type { HOLDERS } from './holders.ts';
import type { MatcherRole, Measured } from './matcher.ts';
import { MIX } from './topic-shapes.ts';

const MATCHER = join(import.meta.dirname, 'matcher.ts');
/** So many that no processor's cache holds what one pass looked at, let alone a cache of whole topics. */
const TOPICS = 100_000;
const FOR_MS = { short: 300, full: 3_000 } as const;
/** Of a million interests with what it takes to make them and to check what is found. */
const HEAP_MB = 6_000;

const MATCHES_PER_SECOND_MIN = 1_000_000;
const BYTES_PER_FILTER_MAX = 200;
/** With a thousand times the filters, a match costs less than so many times as much. */
const GROWTH_MAX = 10;

type HolderName = keyof typeof HOLDERS;

function subject(holder: HolderName, interests: number, valueOf: (measured: Measured) => number): Subject {
  const run = async (size: Size): Promise<Sample> => {
    const measured = await withRun('matching', (each) =>
      each
        .role<MatcherRole>('server', MATCHER, {
          nodeFlags: ['--expose-gc', `--max-old-space-size=${HEAP_MB}`],
        })
        .call('measure', { holder, interests, topics: TOPICS, forMs: FOR_MS[size] }),
    );
    const { matches, usPerMatch, valuesPerMatch, bytesPerInterest, takeInUs, dropUs } = measured;
    return {
      value: valueOf(measured),
      events: matches,
      cpuUsPerEvent: usPerMatch,
      more: { valuesPerMatch, bytesPerInterest, takeInUs, dropUs },
    };
  };
  return { name: `${holder}, ${shown(interests)}`, run };
}

function shown(count: number): string {
  return count.toLocaleString('en');
}

const perSecond = ({ usPerMatch }: Measured): number => 1e6 / usPerMatch;
const bytes = ({ bytesPerInterest }: Measured): number => bytesPerInterest;

function matchRow(id: string, interests: number, short = false): Row & { readonly short: boolean } {
  return {
    id: `8.match-${id}`,
    what: `topics matched against ${shown(interests)} filters`,
    unit: 'matches/s of CPU time',
    better: 'higher',
    short,
    subject: subject('route table', interests, perSecond),
    reference: subject('qlobber', interests, perSecond),
    ...(interests === 100_000 && {
      goal: {
        text: `≥ ${shown(MATCHES_PER_SECOND_MIN)} matches/s`,
        met: ({ subject: { value } }) => value >= MATCHES_PER_SECOND_MIN,
      },
    }),
  };
}

function bytesRow(id: string, interests: number): Row & { readonly short: boolean } {
  return {
    id: `8.bytes-${id}`,
    what: `memory of a route table with ${shown(interests)} filters, all it keeps for them`,
    unit: 'bytes/filter',
    better: 'lower',
    short: false,
    subject: subject('route table', interests, bytes),
    goal: {
      text: `≤ ${BYTES_PER_FILTER_MAX} bytes/filter`,
      met: ({ subject: { value } }) => value <= BYTES_PER_FILTER_MAX,
    },
  };
}

const sublinear: Row & { readonly short: boolean } = {
  id: '8.growth',
  what: 'a million filters against a thousand',
  unit: 'matches/s of CPU time',
  better: 'higher',
  short: false,
  subject: subject('route table', 1_000_000, perSecond),
  reference: subject('route table', 1_000, perSecond),
  goal: {
    text: `sub-linear: with a thousand times the filters, a match costs less than ${GROWTH_MAX} times as much`,
    met: ({ ratio }) => ratio !== undefined && ratio > 1 / GROWTH_MAX,
  },
};

export const scenario: Scenario = {
  name: 'matching',
  number: 8,
  title: 'Matching topics against filters',
  rows: [
    matchRow('1e3', 1_000),
    matchRow('1e4', 10_000, true),
    matchRow('1e5', 100_000),
    matchRow('1e6', 1_000_000),
    sublinear,
    bytesRow('1e5', 100_000),
    bytesRow('1e6', 1_000_000),
  ],
  notes: `
**What is matched.** One match is one topic looked up in the route table of a mesher and all interests found that match it (\`values per
match\`). The router's cache of decisions is not part of it. ${shown(TOPICS)} topics that differ from each other are matched by turns, so that
no cache of topics could answer. Topics have the shapes of real events: the levels of the event's type and of its source's path
(\`gov/dot/bts/flight/departed/v1/ontime/BOS-1042\`), with numbers behind the last level where more things are needed than the events name.
Most topics match broad filters only.

**The mix** is an assumption, since nobody publishes such figures. Of a hundred filters ${MIX.exact} name one topic, ${MIX.plus} have one \`+\` and ${MIX.twicePlus} two in place of
the last levels of the type (*whatever happens to this thing*), ${MIX.below} end with \`/#\` behind one thing. Beside those there are ${MIX.broadMax} broad ones in the whole
federation (\`com/github/#\`, \`gov/usgs/earthquake/+\`). ${MIX.grouped} of a hundred are of a group, ${MIX.durable} are durable. There are up to a hundred meshers with a thousand filters each, ten
thousand at a million.

**The route table is a real one**: it pulled each record from its owner's table, through the bytes of the link's messages, with signatures
and digests checked (\`take in us\`: all of that, per interest; \`drop us\`: forgetting the mesher). At the end of each run, what is found for some topics
(thirty at 10⁵ filters, ten at 10⁶) is compared with the filters one by one.

**Memory** is all that the table keeps: its records with their digests, the tree, the routes and the text of the filters (44 characters on
average, which is 64 bytes of a JavaScript string), measured as heap in use and memory beside it after collections. With ten thousand filters in all
and fewer, what any table and record has before its first filter weighs more, and it is above 200 bytes: see \`bytes per interest\` of \`8.match-1e4\` and \`8.match-1e3\`.

**CPU time** counts, not the clock: matching is one computation in one thread, and what else runs on the machine takes turns with it.
What else runs still takes its part of the caches, and beyond 10⁵ filters a match is a dozen misses of the cache rather than instructions: that is
why it slows down with the number of filters at all.

**The reference** is [qlobber](https://github.com/davedoesdev/qlobber), by which mqemitter, and so the MQTT broker Aedes, matches topics: objects and Maps. It has the
same settings as there, holds the same filters with the same values, without anything of a record, and is checked one by one like ours. \`take in us\` is its \`add\` alone.
`,
};
