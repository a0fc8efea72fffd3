// Where meshers are that this client has reached, or was told of by one that it has reached: for when it has to go elsewhere.
// Bounded: the oldest are forgotten.

import { parseAddress } from './address.ts';
import type { Address } from './address.ts';
import { CausewayError } from './errors.ts';
import type { Session } from './session.ts';

/** A mesher, and where to try it. */
export interface Whereto {
  readonly node: string;
  readonly address: Address;
}

const KNOWN_MAX = 64;

export class KnownMeshers {
  /** Reached, by node. */
  readonly #reached = new Map<string, Address>();
  /** Neighbours of those, by node; the latest last. */
  readonly #neighbours = new Map<string, Address>();

  welcomed({ address, welcome }: Session): void {
    put(this.#reached, welcome.node, address);
    for (const { node, http } of welcome.neighbours) {
      const found = addressFrom(address, http);
      if (found !== undefined) put(this.#neighbours, node, found);
    }
  }

  /** First the address at which it was reached: what it says of itself may hold in another network only. */
  waysTo(node: string, told: Address | undefined): Whereto[] {
    const reached = this.#reached.get(node);
    const ways = reached === undefined ? [] : [{ node, address: reached }];
    if (told !== undefined && told.socket !== reached?.socket) ways.push({ node, address: told });
    return ways;
  }

  /** Those heard of last come first. */
  neighbours(): Whereto[] {
    return [...this.#neighbours].reverse().flatMap(([node, address]) => this.waysTo(node, address));
  }
}

function put(known: Map<string, Address>, node: string, address: Address): void {
  known.delete(node);
  known.set(node, address);
  const [oldest] = known.keys();
  if (known.size > KNOWN_MAX && oldest !== undefined) known.delete(oldest);
}

/** What a mesher at `from` says of another one; undefined for what is none, or would take a client with TLS to where there is none. */
export function addressFrom(from: Address, http: string): Address | undefined {
  try {
    const address = parseAddress(http);
    const isSafe = address.socket.startsWith('wss:') || !from.socket.startsWith('wss:');
    return isSafe ? address : undefined;
  } catch (error) {
    if (error instanceof CausewayError) return undefined; // another's word, and not the user's mistake
    throw error;
  }
}
