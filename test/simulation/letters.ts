// What becomes of dead letters, each by its own record: who saw it wait, who took it, which of them an operator sent back or threw away, and
// what came of that. It reads steps and what clients were handed; breaches that show at once are said at once, the rest in `judge`.
//
// A letter that was said to be sent back is handed to its subscription again, and to nobody else, or there is a reason; what left the dead
// letters for certain is never seen among them again; what did not leave them for certain is still there, or what it became.

import type { NodeId, StoredEvent } from '../../node/core/event.ts';
import type { Fate } from '../../node/core/fates.ts';
import type { Effect, Input, Reply } from '../../node/core/steps.ts';
import type { MemoryDisk } from '../../node/journal/memory-journal.ts';
import { formatPlace } from '../../node/observe/letter-places.ts';
import { idOf, recordOf } from './event-id.ts';
import type { SimMesher } from './mesher.ts';

type How = 'redrive' | 'drop';
type Asked = Extract<Input, { kind: 'dead-letters' }>;

interface Letter {
  readonly record: string;
  /** Of the event, and of the subscription that rejected it. */
  readonly id: string;
  readonly subscription: string;
  /** Where it was seen last, and when; virtual ms. */
  mesher: NodeId;
  at: number;
  /** What was seen of it last. */
  last: 'waits' | 'taken' | 'dropped' | Redriven;
  /** Meshers among whose dead letters it is not any more, for certain, and why. `handed`: redriven, and only that disk need know. */
  readonly left: Map<NodeId, 'redriven' | 'handed' | 'dropped' | 'acked'>;
}

/** A letter that a mesher took from its dead letters to send it back. */
interface Redriven {
  readonly letter: Letter;
  readonly mesher: NodeId;
  readonly at: number;
  /** Of the event that it became. */
  readonly record: string;
  /** An answer said so. */
  isConfirmed: boolean;
  isHanded: boolean;
}

/** Requests of one kind in one step: which of them took a letter that several name cannot be seen from outside. */
interface Requests {
  readonly how: How;
  readonly mesher: NodeId;
  readonly taken: (Redriven | Letter)[];
  waiting: number;
  done: number;
}

export interface LettersPorts {
  now(): number;
  broken(promise: string, facts: string): void;
  /** Lost for good, or back as another. */
  isGone(node: NodeId): boolean;
  /** What was said of a record. */
  reasonsOf(record: string): ReadonlySet<string>;
  /** The event itself was handed to the subscription by another mesher, or that one said why not. */
  cameElsewhere(id: string, subscription: string, mesher: NodeId): boolean;
  /** Published so: before it was rejected no disk had it. */
  isBestEffort(id: string): boolean;
}

/** Why an event that was redriven may not come to its subscription. */
const REASONS = ['subscription-deleted', 'queue-limit'] as const;
const COMES_AGAIN = 'what is redriven comes to its subscription again';
const ADDS_UP = 'what is said of dead letters adds up';

export class Letters {
  readonly #ports: LettersPorts;
  readonly #letters = new Map<string, Letter>();
  readonly #redriven = new Map<string, Redriven>();
  /** By letter: who has it from the copy of another, and of whom; that one may be there yet, and not know it. */
  readonly #adopted = new Map<string, Map<NodeId, NodeId>>();
  /** By mesher and request. */
  readonly #requests = new Map<string, { readonly all: Requests; readonly letters: number }>();
  /** Records on disks that were lost, and on no older one that came in their place. */
  readonly #lost = new Set<string>();
  readonly #counts = { redriven: 0, dropped: 0 };
  /** What was let pass, and why. */
  readonly excused = new Map<string, number>();

  constructor(ports: LettersPorts) {
    this.#ports = ports;
  }

  /** Letters that were sent back, and thrown away, in all steps of all meshers. */
  get counts(): { readonly redriven: number; readonly dropped: number } {
    return this.#counts;
  }

  /** Whether this record was a dead letter and was sent back. */
  isRedriven(record: string): boolean {
    return this.#redriven.has(record);
  }

  // ─────────────────────────────────────────────────────────── seen from outside

  /** An operator reads it in the journal, where it waits. */
  waits(node: NodeId, event: StoredEvent): void {
    this.#appears(node, event, 'waits');
  }

  /** A consumer of the dead letters is handed it. */
  taken(node: NodeId, event: StoredEvent): void {
    this.#appears(node, event, 'taken');
  }

  /** That consumer's ack was confirmed. */
  acked(node: NodeId, event: StoredEvent): void {
    this.#letters.get(recordOf(event))?.left.set(node, 'acked');
  }

  /** A consumer of the subscription, at `home`, is handed an event. */
  handed(subscription: string, home: NodeId, event: StoredEvent): void {
    const redriven = this.#redriven.get(recordOf(event));
    if (!redriven) return;
    const { letter, mesher, record } = redriven;
    if (letter.subscription !== subscription)
      this.#ports.broken(
        'what is redriven comes to its own subscription alone',
        `${letter.id}, rejected by ${letter.subscription}, came to ${subscription} as ${record}`,
      );
    redriven.isHanded = true;
    // it is on that disk, and the letter left it in the same batch
    if (home === mesher && !letter.left.has(mesher)) letter.left.set(mesher, 'handed');
  }

  #appears(node: NodeId, event: StoredEvent, last: Letter['last']): Letter {
    const letter = this.#letterOf(node, event);
    const own = letter.left.get(node);
    if (own !== undefined) this.#isBack(letter, node, own);
    else
      for (const [other, why] of letter.left) {
        const adopted = this.#adopted.get(letter.record);
        if (adopted?.get(other) === node) {
          if (letter.mesher !== node)
            this.#excuse(
              `a dead letter is where it was, ${why} on a mesher that had taken this one over unknown to it`,
            );
          continue;
        }
        // that it was sent back is said when copies know it, the rest when its own disk does
        if (why === 'redriven' || adopted?.has(node) !== true) this.#isBack(letter, node, why);
        else this.#excuse(`a dead letter is back, ${why} on a mesher that was taken over`);
        letter.left.delete(other);
      }
    letter.mesher = node;
    letter.at = this.#ports.now();
    // whoever was handed it may have acked it, and that may be on its way
    if (last !== 'waits' || letter.last !== 'taken') letter.last = last;
    return letter;
  }

  #letterOf(node: NodeId, event: StoredEvent): Letter {
    const record = recordOf(event);
    const known = this.#letters.get(record);
    if (known) return known;
    const letter: Letter = {
      record,
      id: idOf(event),
      subscription: event.deadLetter?.subscription ?? '',
      mesher: node,
      at: this.#ports.now(),
      last: 'waits',
      left: new Map(),
    };
    this.#letters.set(record, letter);
    return letter;
  }

  #isBack({ id, record, left }: Letter, node: NodeId, why: string): void {
    this.#ports.broken(
      'what has left the dead letters is not back',
      `${id}, ${record}, was ${why}, and is on ${node}; left ${[...left].map((one) => one.join(': ')).join()}`,
    );
  }

  #excuse(why: string): void {
    this.excused.set(why, (this.excused.get(why) ?? 0) + 1);
  }

  // ─────────────────────────────────────────────────────────── inside meshers

  stepped({ node }: SimMesher, inputs: readonly Input[], effects: readonly Effect[]): void {
    for (const input of inputs) if (input.kind === 'copy-loaded') this.#adopt(node, input);
    const asked = inputs.filter((input) => input.kind === 'dead-letters');
    if (asked.length > 0) this.#took(node, asked, effects);
    for (const effect of effects)
      if (effect.kind === 'reply') this.#replied(node, effect.request, effect.reply);
  }

  #adopt(node: NodeId, { owner, entries }: Extract<Input, { kind: 'copy-loaded' }>): void {
    for (const { events } of entries) {
      for (const event of events) {
        if (!event.deadLetter) continue;
        const record = recordOf(event);
        this.#adopted.set(record, (this.#adopted.get(record) ?? new Map<NodeId, NodeId>()).set(node, owner));
      }
    }
  }

  #took(node: NodeId, asked: readonly Asked[], effects: readonly Effect[]): void {
    const fates = effects.filter((effect) => effect.kind === 'fate');
    for (const how of ['redrive', 'drop'] as const) {
      const of = asked.filter((one) => one.how === how);
      const all: Requests = { how, mesher: node, taken: [], waiting: of.length, done: 0 };
      for (const { request, letters } of of)
        this.#requests.set(`${node}/${request}`, { all, letters: letters.length });
      const events = new Map(of.flatMap(({ letters }) => letters.map((one) => [placeIn(one), one.event])));
      for (const fate of fates) {
        if (howOf(fate) !== how) continue;
        const event = events.get(placeIn(fate));
        if (event)
          all.taken.push(how === 'redrive' ? this.#sentBack(node, event, fate) : this.#dropped(node, event));
        else this.#ports.broken(ADDS_UP, `${node} has settled ${idOf(fate.event)}, for which nobody asked`);
      }
    }
  }

  #sentBack(mesher: NodeId, event: StoredEvent, fate: Fate): Redriven {
    const letter = this.#appears(mesher, event, 'waits');
    const redriven: Redriven = {
      letter,
      mesher,
      at: this.#ports.now(),
      record: recordOf(fate.event),
      isConfirmed: false,
      isHanded: false,
    };
    letter.last = redriven;
    this.#redriven.set(redriven.record, redriven);
    this.#counts.redriven++;
    return redriven;
  }

  #dropped(mesher: NodeId, event: StoredEvent): Letter {
    this.#counts.dropped++;
    return this.#appears(mesher, event, 'dropped');
  }

  #replied(node: NodeId, request: number, reply: Reply): void {
    const key = `${node}/${request}`;
    const asked = this.#requests.get(key);
    if (!asked) return;
    this.#requests.delete(key);
    const { all, letters } = asked;
    all.waiting--;
    if (reply.kind === 'dead-letters-settled') {
      const left = reply.left.reduce((sum, { count }) => sum + count, 0);
      if (reply.done + left !== letters)
        this.#ports.broken(ADDS_UP, `${node}: ${reply.done} done and ${left} left of ${letters} letters`);
      all.done += reply.done;
    }
    if (all.waiting > 0) return;
    if (all.done !== all.taken.length)
      this.#ports.broken(
        ADDS_UP,
        `${node} says ${all.done} of a ${all.how}, and settled ${all.taken.length}`,
      );
    for (const one of all.taken) {
      if ('isConfirmed' in one) {
        one.isConfirmed = true;
        one.letter.left.set(node, 'redriven');
      } else one.left.set(node, 'dropped');
    }
  }

  // ─────────────────────────────────────────────────────────── disks

  /** `older`: the one that comes in its place, if any. */
  diskLost(node: NodeId, disk: MemoryDisk, older: MemoryDisk | undefined): void {
    const kept = new Set(older ? recordsOn(older) : []);
    for (const record of recordsOn(disk)) if (!kept.has(record)) this.#lost.add(record);
    for (const record of kept) {
      const why = this.#letters.get(record)?.left.get(node);
      if (why === undefined) continue;
      this.#letters.get(record)?.left.delete(node);
      this.#excuse(`a dead letter is back, ${why} before its disk was put back`);
    }
  }

  // ─────────────────────────────────────────────────────────── in the end

  judge(): void {
    for (const redriven of this.#redriven.values())
      if (redriven.isConfirmed || redriven.letter.last === redriven) this.#judgeRedriven(redriven);
    for (const letter of this.#letters.values()) if (letter.last === 'waits') this.#judgeWaiting(letter);
  }

  #judgeRedriven(redriven: Redriven): void {
    const { record, letter, mesher, at, isConfirmed, isHanded } = redriven;
    if (isHanded) return;
    const reasons = this.#ports.reasonsOf(record);
    const reason = REASONS.find((one) => reasons.has(one));
    if (reason !== undefined) this.#excuse(`redriven: ${reason}`);
    else if (this.#lost.has(record)) this.#excuse('redriven: lost with the only disk that had it');
    else if (!isConfirmed && this.#isExcused(letter, mesher)) return;
    else
      this.#ports.broken(
        COMES_AGAIN,
        `${letter.id}, ${letter.record}, which ${letter.subscription} had rejected, as ${record} from ${mesher} at ${at.toFixed()}${isConfirmed ? ', as was said' : ''}`,
      );
  }

  #judgeWaiting(letter: Letter): void {
    const { id, record, subscription, mesher, at } = letter;
    if (this.#isExcused(letter, mesher)) return;
    this.#ports.broken(
      'a dead letter waits until somebody takes it',
      `${id}, ${record}, which ${subscription} had rejected, was on ${mesher} at ${at.toFixed()}`,
    );
  }

  /** It went with its disk; or copies had not heard of it yet, and have its event, if at all, where it was before. */
  #isExcused({ id, record, subscription }: Letter, mesher: NodeId): boolean {
    if (this.#lost.has(record)) this.#excuse('dead letter: lost with the only disk that had it');
    else if (this.#ports.isGone(mesher) && this.#ports.cameElsewhere(id, subscription, mesher))
      this.#excuse('dead letter: its event came again from the copy of a lost mesher');
    else if (this.#ports.isGone(mesher) && this.#ports.isBestEffort(id))
      this.#excuse('dead letter of best effort: lost with a mesher');
    else return false;
    return true;
  }
}

function placeIn({ block, index }: { readonly block: number; readonly index: number }): string {
  return formatPlace({ queue: 0, block, index });
}

function howOf({ what, reason }: Fate): How | undefined {
  if (what === 'redriven') return 'redrive';
  return what === 'dropped' && reason === 'dead-letter-dropped' ? 'drop' : undefined;
}

/** All that some queue still wants. */
function* recordsOn(disk: MemoryDisk): Generator<string> {
  for (const entries of disk.entries.values()) {
    for (const [block, { indices }] of entries) {
      const events = disk.blocks.get(block);
      for (const index of indices) {
        const event = events?.[index];
        if (event) yield recordOf(event);
      }
    }
  }
}
