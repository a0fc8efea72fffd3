// Links that took no more for a while, as their meshers were told: best effort may be dropped there (`slow-link`), and a mesher that says
// so of any other link is not believed.

import type { NodeId } from '../../node/core/event.ts';
import type { MesherCore } from '../../node/core/mesher-core.ts';
import type { Effect, Input } from '../../node/core/steps.ts';
import { idOf } from './event-id.ts';
import type { SimMesher } from './mesher.ts';

export class FullLinks {
  /** By whoever sends over them: what another life was told is nothing to this one. */
  readonly #full = new WeakMap<MesherCore, Set<NodeId>>();
  readonly #meshers: ReadonlyMap<NodeId, SimMesher>;
  /** By event, the meshers and clusters that it was dropped on the way to. */
  readonly #dropped = new Map<string, Set<string>>();

  constructor(meshers: ReadonlyMap<NodeId, SimMesher>) {
    this.#meshers = meshers;
  }

  stepped(core: MesherCore, inputs: readonly Input[], effects: readonly Effect[]): void {
    const during = this.#follow(core, inputs);
    if (during.size === 0) return;
    for (const effect of effects) {
      if (effect.kind !== 'fate' || effect.what !== 'dropped' || effect.reason !== 'slow-link') continue;
      const { to, event } = effect;
      if (![...during].some((peer) => peer === to || this.#meshers.get(peer)?.cluster === to)) continue;
      const id = idOf(event);
      this.#dropped.set(id, (this.#dropped.get(id) ?? new Set()).add(to));
    }
  }

  /** Peers to which the link was full at some time in the step. */
  #follow(core: MesherCore, inputs: readonly Input[]): ReadonlySet<NodeId> {
    const full = this.#full.get(core) ?? new Set<NodeId>();
    this.#full.set(core, full);
    const during = new Set(full);
    for (const input of inputs) {
      if (input.kind === 'full') {
        full.add(input.peer);
        during.add(input.peer);
      } else if (input.kind === 'drained' || input.kind === 'link-up' || input.kind === 'link-down')
        full.delete(input.peer);
    }
    return during;
  }

  /** Whether the event was dropped rightly on its way to that mesher. */
  hasDropped(id: string, { node, cluster }: SimMesher): boolean {
    const dropped = this.#dropped.get(id);
    return dropped !== undefined && (dropped.has(node) || dropped.has(cluster));
  }
}
