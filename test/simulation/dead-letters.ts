// Who looks after dead letters: an undertaker at each mesher, who takes them as a consumer does, and in some runs an operator, who reads
// them in journals and sends them back to their subscriptions or throws them away: some twice, some late, some by names of long ago.

import type { Delivery } from '../../node/core/ports.ts';
import { DEAD_LETTERS } from '../../node/core/subscription.ts';
import { formatPlace } from '../../node/observe/letter-places.ts';
import { lettersOf, type WaitingLetter } from '../../node/observe/own-dead-letters.ts';
import type { Chance } from './chance.ts';
import type { SimMesher } from './mesher.ts';
import type { WorkloadPorts } from './workload.ts';

const PULL_EVERY_MS = 300;
const PULLED_MAX = 50;
/** Where there is an operator, letters are to wait until he comes. */
const SLOW_PULLED_MAX = 5;
const SLOW_PULL_MAX_MS = 15_000;
const SLOW_ACK_MAX_MS = 3_000;

/** Empties a mesher's dead letters, so that a settled mesher has an empty journal. */
export class Undertaker {
  readonly #home: SimMesher;
  readonly #ports: WorkloadPorts;
  readonly #subscribed;
  /** Of one who takes his time; undefined: he does not. */
  #slow: Chance | undefined;

  /** `slow`: of an undertaker who leaves something to an operator. */
  constructor(home: SimMesher, ports: WorkloadPorts, slow: Chance | undefined) {
    this.#home = home;
    this.#ports = ports;
    this.#slow = slow;
    this.#subscribed = {
      name: `${DEAD_LETTERS} of ${home.node}`,
      servedBy: '',
      settled: new Set<string>(),
      received: [],
    };
    ports.schedule.after(100, () => this.#pull());
  }

  hurry(): void {
    this.#slow = undefined;
  }

  #pull(): void {
    const home = this.#home;
    const { schedule } = this.#ports;
    if (home.gone) return;
    if (!home.running) {
      schedule.after(500, () => this.#pull());
      return;
    }
    const max = this.#slow ? SLOW_PULLED_MAX : PULLED_MAX;
    home.request(
      (request) => ({ kind: 'pull', request, name: DEAD_LETTERS, max, waitMs: 400 }),
      (reply) => {
        if (reply?.kind === 'pulled') this.#take(reply.deliveries);
        const pause = this.#slow?.between(PULL_EVERY_MS, SLOW_PULL_MAX_MS) ?? PULL_EVERY_MS;
        schedule.after(pause, () => this.#pull());
      },
    );
  }

  #take(deliveries: readonly Delivery[]): void {
    const { node } = this.#home;
    const { history, schedule } = this.#ports;
    for (const { event } of deliveries) history.letters.taken(node, event);
    history.received(this.#subscribed, node, deliveries);
    if (deliveries.length === 0) return;
    if (this.#slow) schedule.after(this.#slow.between(0, SLOW_ACK_MAX_MS), () => this.#ack(deliveries));
    else this.#ack(deliveries);
  }

  #ack(deliveries: readonly Delivery[]): void {
    const { node, running } = this.#home;
    if (!running) return;
    const { history } = this.#ports;
    const settlements = deliveries.map(({ token }) => ({ kind: 'ack' as const, token }));
    this.#home.request(
      (request) => ({ kind: 'settle', request, name: DEAD_LETTERS, settlements }),
      (reply) => {
        if (reply?.kind !== 'settled') return;
        const stale = new Set(reply.stale.map(({ token }) => token));
        for (const { event, token } of deliveries) if (!stale.has(token)) history.letters.acked(node, event);
      },
    );
  }
}

/** As many blocks of a queue as he looks at: of many letters he sees the oldest. */
const BLOCKS_READ = 40;
const LETTERS_PER_REQUEST = 20;
/** Names of letters that he has seen, and may come back to. */
const NAMES_KEPT = 200;

type Ask = (found: readonly WaitingLetter[], how: 'redrive' | 'drop') => void;

/** Redrives and drops what he finds in the journals of running meshers, until he is told to stop. */
export class Operator {
  readonly #chance: Chance;
  readonly #ports: WorkloadPorts;
  /** By mesher; they may be of a life long ago. */
  readonly #names = new Map<string, string[]>();
  #stopped = false;

  constructor(chance: Chance, ports: WorkloadPorts) {
    this.#chance = chance;
    this.#ports = ports;
    this.#later(3_000, () => this.#turn());
  }

  stop(): void {
    this.#stopped = true;
  }

  #later(msMax: number, then: () => void): void {
    this.#ports.schedule.after(this.#chance.between(0, msMax), () => {
      if (!this.#stopped) then();
    });
  }

  #turn(): void {
    const { meshers } = this.#ports;
    const busy = meshers.filter(({ core }) =>
      core?.subscriptions.deadLetters().some(({ queue }) => queue.depth > 0),
    );
    if (busy.length > 0) {
      const mesher = this.#chance.pick(busy);
      if (this.#chance.is(0.25)) this.#settleNamed(mesher);
      else this.#settleSome(mesher);
    }
    this.#later(1_500, () => this.#turn());
  }

  /** Some of those that he finds: at once, a while after he has looked, several times. */
  #settleSome(mesher: SimMesher): void {
    this.#look(mesher, (found, ask) => {
      const share = this.#chance.next();
      const some = found.filter(() => this.#chance.is(share));
      const how = this.#how();
      if (this.#chance.is(0.3)) this.#later(4_000, () => ask(some, how));
      else ask(some, how);
      if (this.#chance.is(0.2)) ask(some, this.#how());
      if (this.#chance.is(0.2)) this.#later(4_000, () => ask(some, this.#how()));
    });
  }

  /** By names that he has known for a while, perhaps of another mesher: what they name now, if anything. */
  #settleNamed(mesher: SimMesher): void {
    const known = this.#chance.is(0.8) ? mesher.node : this.#chance.pick(this.#ports.meshers).node;
    const names = new Set(this.#names.get(known)?.filter(() => this.#chance.is(0.5)));
    this.#look(mesher, (found, ask) => {
      const named = found.filter((one) => names.has(formatPlace(one)));
      ask(named, this.#how());
    });
  }

  #how(): 'redrive' | 'drop' {
    return this.#chance.is(0.75) ? 'redrive' : 'drop';
  }

  /** `ask` is for this life of the mesher: what its journal had is told to no other. */
  #look(mesher: SimMesher, then: (found: readonly WaitingLetter[], ask: Ask) => void): void {
    const { life } = mesher;
    this.#later(20, () => {
      if (!mesher.running || mesher.life !== life) return;
      const found = this.#read(mesher);
      if (found.length === 0) return;
      const names = this.#names.get(mesher.node) ?? [];
      this.#names.set(mesher.node, [...names, ...found.map(formatPlace)].slice(-NAMES_KEPT));
      then(found, (letters, how) => {
        if (mesher.running && mesher.life === life) this.#settle(mesher, letters, how);
      });
    });
  }

  #read(mesher: SimMesher): WaitingLetter[] {
    const { history } = this.#ports;
    const found: WaitingLetter[] = [];
    for (const from of mesher.core?.subscriptions.deadLetters() ?? []) {
      const blocks = [...from.queue.blocksFrom(0)].slice(0, BLOCKS_READ);
      for (const entry of mesher.read(from.queue.id, blocks)) found.push(...lettersOf(from, entry));
    }
    for (const { letter } of found) {
      history.rejections.deadLetter(letter.event.deadLetter?.subscription ?? '', letter.event);
      history.letters.waits(mesher.node, letter.event);
    }
    return found;
  }

  #settle(mesher: SimMesher, found: readonly WaitingLetter[], how: 'redrive' | 'drop'): void {
    for (const [name, list] of Map.groupBy(found, ({ from }) => from.subscription.name)) {
      for (let at = 0; at < list.length; at += LETTERS_PER_REQUEST) {
        const letters = list.slice(at, at + LETTERS_PER_REQUEST).map(({ letter }) => letter);
        mesher.request(
          (request) => ({ kind: 'dead-letters', request, name, how, letters }),
          () => undefined,
        );
      }
    }
  }
}
