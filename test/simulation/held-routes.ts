// What a mesher's table holds of the interests of others, as checkers ask for it: after every step, and seldom is the answer
// another one. It is looked for once, and then kept for as long as the table stays as it is.

import type { NodeId } from '../../node/core/event.ts';
import { announcedFilter } from '../../node/core/heirs.ts';
import type { Interest } from '../../node/core/messages.ts';
import type { MesherCore } from '../../node/core/mesher-core.ts';
import type { Route } from '../../node/core/route-table.ts';
import type { Subscription } from '../../node/core/subscription.ts';

interface Found {
  readonly heir: NodeId | undefined;
  readonly route: Route | undefined;
}

export class HeldRoutes {
  readonly revision: number;
  readonly #core: MesherCore;
  readonly #found = new Map<Subscription, Found>();
  readonly #texts = new Map<NodeId, string>();

  private constructor(core: MesherCore) {
    this.#core = core;
    this.revision = core.table.revision;
  }

  static of(core: MesherCore): HeldRoutes {
    let held = known.get(core);
    if (held?.revision !== core.table.revision) known.set(core, (held = new HeldRoutes(core)));
    return held;
  }

  /** Who is in the place of a lost mesher, as far as this one knows. */
  heirOf(mesher: NodeId): NodeId | undefined {
    const { takeovers, table, node } = this.#core;
    return takeovers.isGuest(mesher) ? node : table.heirs.of(mesher);
  }

  /** The interest of a subscription that was made on `mesher`, another one. */
  routeOf(mesher: NodeId, subscription: Subscription): Route | undefined {
    const heir = this.heirOf(mesher); // who is a guest here is no part of the table
    let found = this.#found.get(subscription);
    if (!found || found.heir !== heir) {
      found = { heir, route: this.#find(mesher, heir, subscription) };
      this.#found.set(subscription, found);
    }
    return found.route;
  }

  #find(mesher: NodeId, heir: NodeId | undefined, { topic, group = '' }: Subscription): Route | undefined {
    const filter = heir === undefined ? topic : announcedFilter(topic, mesher);
    for (const route of this.#core.table.routesOf(heir ?? mesher))
      if (route.filter === filter && route.group === group) return route;
    return undefined;
  }

  /** All interests of one mesher. */
  textOf(owner: NodeId): string {
    let text = this.#texts.get(owner);
    if (text === undefined) {
      text = textOfInterests(this.#core.table.routesOf(owner));
      this.#texts.set(owner, text);
    }
    return text;
  }
}

const known = new WeakMap<MesherCore, HeldRoutes>();

/** The same for the same interests, whatever their order. */
export function textOfInterests(interests: Iterable<Interest>): string {
  return Array.from(interests, textOf).sort().join(' ');
}

function textOf({ filter, group, durable }: Interest): string {
  return `${filter}${group === '' ? '' : `@${group}`}${durable ? '!' : ''}`;
}
