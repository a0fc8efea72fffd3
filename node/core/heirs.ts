// When a mesher is gone for good, one that held a copy of its journal becomes its *heir*: it takes over what was queued there, and
// its subscriptions live on as those of a *guest*. Everybody goes on sending the guest's events under the lost mesher's name, over the
// same lanes; only where they land has changed. So nobody has to agree on a moment, and no event goes two ways.
//
// Others learn it from the heir's own record, by interests that no topic matches:
//
//   $heir/<node>           the mesher whose record this is in is the heir of <node>
//   $of/<node>/<filter>    <filter> is wanted by a subscription that was made on <node>

import type { NodeId } from './event.ts';

const HEIR = '$heir/';
const OF = '$of/';

export type Tag =
  | { readonly kind: 'heir'; readonly node: NodeId }
  | { readonly kind: 'of'; readonly node: NodeId; readonly filter: string };

export function heirFilter(node: NodeId): string {
  return HEIR + node;
}

/** The filter as it is announced: under its own name, or under that of the mesher where it was made. */
export function announcedFilter(filter: string, adoptedFrom: NodeId | undefined): string {
  return adoptedFrom === undefined ? filter : `${OF}${adoptedFrom}/${filter}`;
}

/** Undefined: an interest like any other. */
export function tagOf(filter: string): Tag | undefined {
  if (filter.startsWith(HEIR)) return { kind: 'heir', node: filter.slice(HEIR.length) };
  if (!filter.startsWith(OF)) return undefined;
  const end = filter.indexOf('/', OF.length);
  if (end < 0) return undefined;
  return { kind: 'of', node: filter.slice(OF.length, end), filter: filter.slice(end + 1) };
}

/** Who has said to be whose heir. */
export class Heirs {
  readonly #claimants = new Map<NodeId, Set<NodeId>>();

  add(node: NodeId, claimant: NodeId): void {
    const claimants = this.#claimants.get(node);
    if (claimants) claimants.add(claimant);
    else this.#claimants.set(node, new Set([claimant]));
  }

  remove(node: NodeId, claimant: NodeId): void {
    const claimants = this.#claimants.get(node);
    claimants?.delete(claimant);
    if (claimants?.size === 0) this.#claimants.delete(node);
  }

  has(node: NodeId): boolean {
    return this.#claimants.has(node);
  }

  /** Who serves the mesher's subscriptions now; an heir may have an heir itself. Undefined: the mesher itself, as far as is known. */
  of(node: NodeId): NodeId | undefined {
    if (!this.#claimants.has(node)) return undefined; // as nearly always
    let heir: NodeId | undefined;
    const seen = new Set([node]);
    for (let next = this.#firstOf(node); next !== undefined && !seen.has(next); next = this.#firstOf(next)) {
      seen.add(next);
      heir = next;
    }
    return heir;
  }

  /** The registry lets one only be the heir: were there two, everybody would choose the same. */
  #firstOf(node: NodeId): NodeId | undefined {
    let first: NodeId | undefined;
    for (const claimant of this.#claimants.get(node) ?? [])
      if (first === undefined || claimant < first) first = claimant;
    return first;
  }
}
