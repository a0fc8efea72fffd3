// Topics and interests at scale, in the shapes of real events: the levels of an event's type, then those of its source's
// path. Real events name a few hundred sources; more of them come by numbers behind the last level, so that any number of
// topics is distinct and every one keeps a real one's levels and lengths. From a seed, always the same.

import { githubEvents } from '../../../node/commands/github-events.ts';
import type { Interest } from '../../../node/core/messages.ts';
import { topicOfType } from '../../../node/core/topic.ts';
import { realEvents } from '../../support/real-events.ts';
import { seeded } from '../../unit/core/signing-keys.ts';

export interface Shapes {
  /** For people: where the shapes are from. */
  readonly source: string;
  /** As the events name them, as often as they do. */
  readonly topics: readonly Shape[];
}

interface Shape {
  readonly topic: string;
  /** How many of its levels are the event's type. */
  readonly typeLevels: number;
  /** How many events before it had the same topic: where many come from, many things are. */
  readonly before: number;
}

/**
 * What is wanted, of a hundred interests. Nobody publishes such figures, so this is an assumption: most name one thing or
 * all that is said of it; the broad ones are few, whatever the number of things is, or every event would go everywhere.
 */
export const MIX = Object.freeze({
  /** One topic. */
  exact: 60,
  /** One thing, whatever happens to it: `+` in place of one of the last two levels of the type. */
  plus: 15,
  /** One thing, `+` in place of both. */
  twicePlus: 5,
  /** One thing and whatever is said below it. */
  below: 20,
  /** Beside those: a whole kind of events or a whole source, `…/#` or `…/+`; at most so many in the federation. */
  broadMax: 50,
  /** Of a hundred: interests of a group, and durable ones. */
  grouped: 20,
  durable: 70,
});

/** Meshers that the interests are spread over: one for each thousand, a hundred at most. */
export function meshersFor(interests: number): number {
  return Math.min(100, Math.max(1, Math.round(interests / 1_000)));
}

/** Things that there are for each interest, and at least: a fourth of all topics is named by an exact filter, at most. */
const THINGS_PER_INTEREST = 2;
const THINGS_MIN = 400_000;

export function realShapes(): Shapes {
  const events = realEvents();
  const parsed = events.lines.map((line) => JSON.parse(line) as Attributes);
  const seen = new Map<string, number>();
  const topics = [...parsed, ...githubEvents()].map(({ type, source }) => {
    const kind = topicOfType(type);
    const topic = [kind, ...sourceLevels(source)].join('/');
    const before = seen.get(topic) ?? 0;
    seen.set(topic, before + 1);
    return { topic, typeLevels: kind.split('/').length, before };
  });
  return { source: `${events.source}, and GitHub webhook examples`, topics };
}

interface Attributes {
  readonly type: string;
  readonly source: string;
}

/** `//bts.dot.gov/ontime/BOS` → `ontime`, `BOS`. */
function sourceLevels(source: string): string[] {
  const path = source.replace(/^([a-z]+:)?\/\/[^/]*/, '').split('/');
  return path.filter((level) => level !== '').map((level) => level.replace(/[+#$\s\p{Cc}]/gu, '_'));
}

/** Draws topics of as many things as `interests` interests are about. */
class Things {
  readonly #topics: readonly Shape[];
  readonly #random: () => number;
  readonly #numbers: number;

  constructor(shapes: Shapes, interests: number, seed: number) {
    this.#topics = shapes.topics;
    this.#random = seeded(seed);
    const things = Math.max(interests * THINGS_PER_INTEREST, THINGS_MIN);
    this.#numbers = Math.ceil(things / shapes.topics.length);
  }

  below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  /** Any of the events as they were. */
  event(): Shape {
    const shape = this.#topics[this.below(this.#topics.length)];
    if (!shape) throw new Error('there are no events');
    return shape;
  }

  thing(): Shape {
    const { topic, typeLevels, before } = this.event();
    const number = before * this.#numbers + this.below(this.#numbers);
    return { topic: `${topic}-${number}`, typeLevels, before };
  }
}

/** Topics that differ from each other, about the things that `interests` interests are about. */
export function distinctTopics(shapes: Shapes, count: number, interests: number, seed: number): string[] {
  const things = new Things(shapes, interests, seed);
  const topics = new Set<string>();
  while (topics.size < count) topics.add(things.thing().topic);
  return [...topics].map(asReceived);
}

/** By mesher; no two of one mesher are of the same filter and group. */
export function placedInterests(
  shapes: Shapes,
  count: number,
  seed: number,
  meshersCount = meshersFor(count),
): Map<string, Interest[]> {
  const things = new Things(shapes, count, seed);
  const seen = new Set<string>();
  const meshers = Array.from({ length: meshersCount }, (_, i) => peerId(i));
  const placed = new Map<string, Interest[]>(meshers.map((node) => [node, []]));
  const broad = Math.min(MIX.broadMax, Math.floor(count / 20));
  while (seen.size < count) {
    const filter = seen.size < broad ? broadFilter(things) : filterOf(things);
    const node = meshers[things.below(meshers.length)] ?? '';
    const group = things.below(100) < MIX.grouped ? `workers-${things.below(20)}` : '';
    const durable = things.below(100) < MIX.durable;
    const key = `${node} ${filter} ${group}`;
    if (seen.has(key)) continue;
    seen.add(key);
    placed.get(node)?.push({ filter: asReceived(filter), group: asReceived(group), durable });
  }
  return placed;
}

/** A name as long as peer ids are. */
export function peerId(i: number): string {
  return `12D3KooW${String(i).padStart(44, 'A')}`;
}

function filterOf(things: Things): string {
  const thing = things.thing();
  const kind = things.below(MIX.exact + MIX.plus + MIX.twicePlus + MIX.below);
  if (kind < MIX.exact) return thing.topic;
  const [last, lastButOne] = [thing.typeLevels - 1, thing.typeLevels - 2];
  if (kind < MIX.exact + MIX.plus) return withPlus(thing, [things.below(2) === 0 ? last : lastButOne]);
  if (kind < MIX.exact + MIX.plus + MIX.twicePlus) return withPlus(thing, [last, lastButOne]);
  return `${thing.topic}/#`;
}

/** Whose events they are (`com/github`) and what they are about stays. */
function withPlus({ topic, typeLevels }: Shape, places: readonly number[]): string {
  const levels = topic.split('/');
  for (const place of places) levels[Math.min(Math.max(2, place), typeLevels - 1)] = '+';
  return levels.join('/');
}

function broadFilter(things: Things): string {
  const levels = things.event().topic.split('/');
  const kept = levels.slice(0, 1 + things.below(levels.length - 1));
  return [...kept, things.below(2) === 0 ? '#' : '+'].join('/');
}

/** A string of its own, as one that was decoded from a message: neither a part of another one nor two halves. */
function asReceived(text: string): string {
  return Buffer.from(text).toString();
}
