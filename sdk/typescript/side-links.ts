// Connections beside the mesh's own: each to one mesher where durable subscriptions of this client live, for as long as any of them
// does. One that is lost is not made again: whoever used it finds out anew where to go.
//
// Invariant: a link is only ever to the mesher that was asked for, whoever may listen at its address by now.

import type { Address } from './address.ts';
import { Connection } from './connection.ts';
import { CausewayError } from './errors.ts';
import type { KnownMeshers } from './known-meshers.ts';
import type { Link } from './link.ts';
import type { Session } from './session.ts';
import type { OpenSocket } from './socket.ts';
import type { Timers } from './timers.ts';

export interface LinkUser {
  /** The link is lost. */
  down(link: Link, error: CausewayError): void;
}

export interface SideLinkPorts {
  readonly openSocket: OpenSocket;
  readonly timers: Timers;
  readonly known: KnownMeshers;
}

interface SideLink {
  readonly node: string;
  readonly connection: Connection;
  readonly users: Set<LinkUser>;
  readonly whenUp: Promise<Link>;
  link: Link | undefined;
}

export class SideLinks {
  readonly #ports: SideLinkPorts;
  readonly #links = new Map<string, SideLink>();

  constructor(ports: SideLinkPorts) {
    this.#ports = ports;
  }

  /** Rejects with CausewayError, which is retryable, where nobody answers there, or another mesher. To be left when it is of no use. */
  to(node: string, address: Address, user: LinkUser): Promise<Link> {
    const side = this.#links.get(node) ?? this.#open(node, address);
    side.users.add(user);
    return side.whenUp;
  }

  /** Whatever it had asked for, except one. */
  leave(user: LinkUser, except?: Link): void {
    for (const side of this.#links.values())
      if ((except === undefined || side.link !== except) && side.users.delete(user) && side.users.size === 0)
        this.#drop(side);
  }

  #open(node: string, address: Address): SideLink {
    const { openSocket, timers, known } = this.#ports;
    const { promise: whenUp, resolve, reject } = deferred<Link>();
    const connection = new Connection([address], openSocket, timers, {
      up: (session) => {
        const wrong = whatIsWrong(session, node);
        if (wrong !== undefined) {
          this.#drop(side);
          reject(wrong);
          return;
        }
        side.link = session;
        known.welcomed(session);
        resolve(session);
      },
      down: (error) => this.#lost(side, error),
      goOn: (error) => {
        this.#drop(side);
        reject(error);
        return false;
      },
    });
    const side: SideLink = { node, connection, users: new Set(), whenUp, link: undefined };
    whenUp.catch(() => undefined); // whoever waits for it hears of it
    this.#links.set(node, side);
    connection.start();
    return side;
  }

  #lost(side: SideLink, error: CausewayError): void {
    const { link, users } = side;
    this.#drop(side);
    if (link !== undefined) for (const user of users) user.down(link, error);
  }

  #drop(side: SideLink): void {
    if (this.#links.get(side.node) === side) this.#links.delete(side.node);
    void side.connection.close();
  }

  /** Resolves when there are no sockets any more. */
  async close(): Promise<void> {
    const sides = [...this.#links.values()];
    this.#links.clear();
    await Promise.all(sides.map(({ connection }) => connection.close()));
  }
}

function whatIsWrong({ address, welcome }: Session, node: string): CausewayError | undefined {
  if (welcome.node === node) return undefined;
  return new CausewayError(
    'mesher-unreachable',
    `${address.text} is the mesher ${welcome.node}, not ${node}`,
    {
      details: { address: address.text, node: welcome.node },
    },
  );
}

/** `Promise.withResolvers`, which Node 20 lacks. */
function deferred<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: CausewayError) => void;
} {
  let [resolve, reject]: [(value: T) => void, (error: CausewayError) => void] = [
    () => undefined,
    () => undefined,
  ];
  const promise = new Promise<T>((...both) => {
    [resolve, reject] = both;
  });
  return { promise, resolve, reject };
}
