// What a mesher's table holds of the interests of others, as checkers ask for it: after every step, and seldom is the answer
// another one. It is looked for once, and then kept for as long as the table stays as it is.

import type { NodeId } from '../../node/core/event.ts';
import { announcedFilter } from '../../node/core/heirs.ts';
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
    const announced = announcedFilter(topic, mesher);
    const own = this.#routeOf(heir ?? mesher, heir === undefined ? topic : announced, group);
    return own ?? this.#saidOf(mesher, announced, group);
  }

  /** Nobody else speaks for the mesher, and one that is known by hearsay was its heir. */
  #saidOf(mesher: NodeId, filter: string, group: string): Route | undefined {
    const { members, table } = this.#core;
    if (members.isAdmitted(mesher) || table.heirs.has(mesher)) return undefined;
    for (const { record, hearsay } of members.all()) {
      const route = hearsay && this.#routeOf(record.node, filter, group);
      if (route) return route;
    }
    return undefined;
  }

  #routeOf(node: NodeId, filter: string, group: string): Route | undefined {
    for (const route of this.#core.table.routesOf(node))
      if (route.filter === filter && route.group === group) return route;
    return undefined;
  }
}

const known = new WeakMap<MesherCore, HeldRoutes>();
