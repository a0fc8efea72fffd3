// Who holds the newest copy of a lost mesher's journal. Holders tell each other how new theirs is, and the newest is claimed first: its
// subscriptions are the ones that live on. Whoever of the cluster cannot be asked is waited for.

import { type Copies, NO_COPY } from './copies.ts';
import type { NodeId } from './event.ts';
import { COPY_NAMED, type CopyHeld } from './messages.ts';
import type { CopyHead } from './ports.ts';
import type { Emit, Now } from './steps.ts';
import type { Timing } from './timing.ts';

export interface NewestCopyPorts {
  readonly timing: Timing;
  readonly copies: Copies;
  readonly emit: Emit;
  /** Others of this cluster, the dead included. */
  readonly neighbours: () => readonly { readonly node: NodeId; readonly isLinked: boolean }[];
}

interface Heard {
  /** When its holders began to be asked, or this mesher woke since. */
  since: number;
  askedAt: number;
  /** Rank of what each holds, as it said last. */
  readonly by: Map<NodeId, string>;
}

/** Answers are as old as a registry that cannot be reached makes them: then all are asked anew. */
const ANSWERS_LAST_TIMES = 6;
/** Whoever does not answer, or is away, too, may hold a newer copy: it gets some times what a mesher takes to be dead. */
const SILENT_TIMES = 4;
const NUMBER_DIGITS = 16;

export class NewestCopy {
  readonly #ports: NewestCopyPorts;
  readonly #heard = new Map<NodeId, Heard>();

  constructor(ports: NewestCopyPorts) {
    this.#ports = ports;
  }

  /** Whether the own copy of `owner`'s journal is, as far as the others have answered; asks them where they have not. */
  isOurs(owner: NodeId, head: CopyHead, now: Now): boolean {
    const { timing, neighbours } = this.#ports;
    const heard = this.#heard.get(owner) ?? {
      since: now.monotonic,
      askedAt: -Infinity,
      by: new Map<NodeId, string>(),
    };
    this.#heard.set(owner, heard);
    const own = rankOf({ ...head, hasPast: head.pastBlock > 0 });
    if (now.monotonic - heard.askedAt < timing.pullTimeoutMs) return false;
    const others = neighbours().filter(({ node }) => node !== owner);
    const isPatient = now.monotonic - heard.since < timing.deadAfterMs * SILENT_TIMES;
    const isAnswered = others.every(({ node }) => {
      const theirs = heard.by.get(node);
      return theirs === undefined ? !isPatient : theirs <= own;
    });
    const isFresh = now.monotonic - heard.askedAt < timing.pullTimeoutMs * ANSWERS_LAST_TIMES;
    if (isAnswered && isFresh) return true;
    heard.askedAt = now.monotonic;
    heard.by.clear(); // who had the newest may have taken it over by now
    for (const { node, isLinked } of others) if (isLinked) this.#say(node, owner, head, false);
    return false;
  }

  /** A peer says what it holds. */
  held(peer: NodeId, message: CopyHeld): void {
    const { owner, answer } = message;
    this.#heard.get(owner)?.by.set(peer, rankOf(message));
    if (answer) return;
    const own = this.#ports.copies.all().find((copy) => copy.owner === owner);
    this.#say(peer, owner, own?.head ?? NO_COPY, true); // silence could mean anything
  }

  /** Time that was slept is no time in which others kept silent. */
  wake(now: Now): void {
    for (const heard of this.#heard.values()) heard.since = now.monotonic;
  }

  forget(owner: NodeId): void {
    this.#heard.delete(owner);
  }

  #say(
    peer: NodeId,
    owner: NodeId,
    { incarnation, batch, cursor, pastBlock }: CopyHead,
    answer: boolean,
  ): void {
    this.#ports.emit({
      kind: 'control',
      peer,
      message: { kind: 'copy-held', answer, owner, incarnation, batch, cursor, hasPast: pastBlock > 0 },
    });
  }
}

/** Sorts as copies are new: one that lacks names is behind all that have them. */
function rankOf({
  incarnation,
  batch,
  cursor,
  hasPast,
}: Pick<CopyHeld, 'incarnation' | 'batch' | 'cursor' | 'hasPast'>): string {
  const digits = (number: number): string => String(number).padStart(NUMBER_DIGITS, '0');
  return `${hasPast || cursor >= COPY_NAMED ? 1 : 0} ${digits(incarnation)} ${digits(batch)}`;
}
