// One durable subscription: the mesher where it lives, remembered, and found again when it lives elsewhere, because the client has come to
// another mesher, or because the one where it was made is gone for good and another one has taken it over.
//
// Invariants. Once it is known where the subscription was made, nobody is asked to make it without being told so: the mesher that is asked
// sends the client on rather than make a second one (node/core/whereabouts.ts). In one search each address is asked once, and
// so many of them in all; what a mesher says of another one is believed when that one has said who it is. Where no mesher of the
// user's own addresses is there, the subscription is looked for among their neighbours, and never made.

import { CausewayError, causewayErrorOf } from './errors.ts';
import { addressFrom } from './known-meshers.ts';
import type { KnownMeshers, Whereto } from './known-meshers.ts';
import type { Link } from './link.ts';
import type { LinkUser, SideLinks } from './side-links.ts';
import { ensureSubscription, findSubscription } from './subscription-api.ts';
import type { Ask, FoundSubscription, Wanted } from './subscription-api.ts';

/** Where a stream is to be opened, and under which name. To be left when it is of no use any more. */
export interface Place {
  readonly link: Link;
  readonly name: string;
  leave(): void;
}

export interface WhereaboutsOptions {
  /** As its user calls it. */
  readonly name: string;
  /** The mesher where it was made, where its user knows. */
  readonly madeOn: string | undefined;
  /** What is made where there is none; undefined: nothing is. */
  readonly wanted: Wanted | undefined;
}

export interface WhereaboutsPorts {
  readonly ask: Ask;
  readonly sideLinks: SideLinks;
  readonly known: KnownMeshers;
  /** A link that was found is lost. */
  readonly down: LinkUser['down'];
}

/** In one search: the mesher at hand, the one where it was made, its heir, and that one's; or some neighbours, and one of these. */
const QUESTIONS_MAX = 8;

export class Whereabouts {
  readonly #options: WhereaboutsOptions;
  readonly #ports: WhereaboutsPorts;
  #madeOn: string | undefined;
  /** Where it was last, and its name there. */
  #last: { readonly node: string; readonly name: string } | undefined;

  constructor(options: WhereaboutsOptions, ports: WhereaboutsPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#madeOn = options.madeOn;
  }

  get madeOn(): string | undefined {
    return this.#madeOn;
  }

  /** `main`: the mesh's own link. Undefined: as long as there is none, nothing can be found. Rejects with CausewayError. */
  place(main: Link | undefined): Place | Promise<Place> | undefined {
    if (main === undefined) return this.#madeOn === undefined ? undefined : this.#search(undefined);
    const { name, wanted } = this.#options;
    const isThere = this.#madeOn === undefined || this.#last?.node === main.welcome.node;
    if (wanted === undefined && isThere)
      return { link: main, name: this.#last?.name ?? name, leave: () => undefined };
    return this.#search(main);
  }

  /** It is open there: whoever did not have to ask for it before asks now where it was made. */
  async opened(link: Link): Promise<void> {
    if (this.#madeOn !== undefined) return;
    const { name } = this.#options;
    try {
      this.#found(link, await findSubscription(this.#ports.ask, link.http, { name, madeOn: undefined }));
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error; // else it is found by its name alone, as by who never asked
    }
  }

  #found(link: Link, { name, madeOn }: FoundSubscription): void {
    const { node } = link.welcome;
    this.#madeOn = madeOn ?? this.#madeOn ?? node;
    this.#last = { node, name };
  }

  async #search(main: Link | undefined): Promise<Place> {
    const { sideLinks, known, down } = this.#ports;
    const lost = new Set<Link>();
    const user: LinkUser = {
      down: (link, error) => {
        lost.add(link);
        down(link, error);
      },
    };
    const leave = (): void => sideLinks.leave(user);
    const ways: (Whereto | Link)[] = main === undefined ? known.neighbours() : [main];
    const asked = new Set<string>();
    let why: CausewayError | undefined;
    for (let way = ways.shift(); way !== undefined && asked.size < QUESTIONS_MAX; way = ways.shift()) {
      const key = 'welcome' in way ? way.welcome.node : `${way.node} ${way.address.socket}`;
      if (asked.has(key)) continue;
      asked.add(key);
      try {
        const link = await this.#linkTo(way, main, user);
        const found = await this.#ask(link, main !== undefined);
        if (lost.has(link)) throw new CausewayError('mesher-unreachable', `${link.http} was lost`);
        this.#found(link, found);
        sideLinks.leave(user, link);
        return { link, name: found.name, leave };
      } catch (error) {
        why = causewayErrorOf(error);
        if (why.code === 'subscription-elsewhere') ways.unshift(...this.#onward(why, way));
        else if (!why.retryable && main !== undefined) break;
      }
    }
    leave();
    if (main !== undefined && why !== undefined) throw why;
    throw notAmongNeighbours(why);
  }

  #linkTo(way: Whereto | Link, main: Link | undefined, user: LinkUser): Link | Promise<Link> {
    if ('welcome' in way) return way;
    if (main?.welcome.node === way.node) return main;
    return this.#ports.sideLinks.to(way.node, way.address, user);
  }

  #ask({ http }: Link, mayMake: boolean): Promise<FoundSubscription> {
    const { ask } = this.#ports;
    const { name, wanted } = this.#options;
    const sought = { name, madeOn: this.#madeOn };
    if (wanted === undefined || !mayMake) return findSubscription(ask, http, sought);
    return ensureSubscription(ask, http, sought, wanted);
  }

  #onward({ details }: CausewayError, from: Whereto | Link): Whereto[] {
    const { node, http } = details;
    if (typeof node !== 'string') return [];
    const told = typeof http === 'string' ? addressFrom(from.address, http) : undefined;
    return this.#ports.known.waysTo(node, told);
  }
}

/** What they do not know now they may know later. */
function notAmongNeighbours(why: CausewayError | undefined): CausewayError {
  const words = why === undefined ? 'none is known' : why.message;
  return new CausewayError(
    'mesher-unreachable',
    `no mesher that was named is there, nor among their neighbours one with the subscription (${words})`,
    { cause: why },
  );
}

/** Of what is not durable: the mesh's own link, and nothing else. */
export function placeOn(main: Link | undefined, name: string): Place | undefined {
  return main && { link: main, name, leave: () => undefined };
}
