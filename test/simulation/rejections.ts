// Events that consumers will never take, as they said, and what is known of them since. Each is a dead letter, or it comes again: what was
// said too late, or was not on disk when its mesher died, counts for nothing. Or it left its queue before it came, for a reason of its own.

import type { NodeId, StoredEvent } from '../../node/core/event.ts';
import type { Delivery } from '../../node/core/ports.ts';
import { idOf } from './event-id.ts';
import type { Subscribed } from './history.ts';
import { placeOf } from './place.ts';

type Rejecter = Pick<Subscribed, 'name' | 'mesher' | 'servedBy' | 'received' | 'settled'>;

export interface Rejection {
  readonly by: Rejecter;
  readonly id: string;
  /** Virtual ms. */
  readonly at: number;
  /** Where the event lay (place.ts), and the same as in `settled`. */
  readonly place: string;
  readonly settledAs: string;
}

export interface Undead extends Rejection {
  /** Why it left its queue all the same, by what its mesher said of that very place; undefined: it said nothing. */
  readonly left: string | undefined;
}

export class Rejections {
  readonly #all: Rejection[] = [];
  /** Subscription and event of each dead letter that somebody got, and of each ack that was sent. */
  readonly #deadLetters = new Set<string>();
  readonly #taken = new Set<string>();

  /** Whether that was heard nobody may know. */
  add(by: Rejecter, { event, token }: Delivery, at: number): void {
    const place = placeOf(token);
    this.#all.push({ by, id: idOf(event), at, place, settledAs: `${by.servedBy}${place}` });
  }

  /** It says that it has the event: whoever says otherwise as well is not believed. */
  taken(name: string, event: StoredEvent): void {
    this.#taken.add(`${name} ${idOf(event)}`);
  }

  deadLetter(subscription: string, event: StoredEvent): void {
    this.#deadLetters.add(`${subscription} ${idOf(event)}`);
  }

  /** Never seen as dead letters, and never handed out again. A rejection that was confirmed leaves no other reason to be gone. */
  undead(whyLeft: (mesher: NodeId, place: string) => string | undefined): Undead[] {
    return this.#all
      .filter(({ by: { name, received }, id, at }) => {
        const which = `${name} ${id}`;
        if (this.#deadLetters.has(which) || this.#taken.has(which)) return false;
        return !received.some((again) => again.id === id && again.at > at);
      })
      .map((rejection) => {
        const { by, place, settledAs } = rejection;
        return { ...rejection, left: by.settled.has(settledAs) ? undefined : whyLeft(by.mesher, place) };
      });
  }
}
