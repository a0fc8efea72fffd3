// The registry with its faults: down, slow, stale (older lists at their older revisions), losing watch hints, expiring healthy
// leases, forgetting keys while the lease lives. Clients keep leases alive apart from the mesher's event loop, but
// not while the process is stopped or cut off.

import type { NodeId } from '../../node/core/event.ts';
import { withClaim, withEnd } from '../../node/claims.ts';
import type {
  BlockRange,
  Claim,
  Claims,
  ClaimsEnd,
  MemberList,
  MemberRecord,
} from '../../node/core/ports.ts';
import type { Input } from '../../node/core/steps.ts';
import type { Chance } from './chance.ts';
import type { Schedule } from './schedule.ts';

/** A mesher's process as the registry sees it. */
export interface Client {
  readonly node: NodeId;
  readonly running: boolean;
  /** Stopped by a signal: nothing of it runs, the thread that keeps the lease alive included. */
  readonly frozen: boolean;
  input(input: Input): void;
  takenOver(): void;
}

type ClusterClient = Client & { readonly cluster: string; readonly life: number };

interface Lease {
  readonly record: MemberRecord;
  /** Of the process that keeps it alive; another life has another. */
  readonly life: number;
  expiresAt: number;
  /** False: the key is gone though the client believes in it. */
  present: boolean;
}

export const LEASE_TTL_MS = 10_000;
const TIMEOUT_MS = 2_000;
const HISTORY_MAX = 8;

export class SimRegistry {
  readonly #schedule: Schedule;
  readonly #chance: Chance;
  readonly #leases = new Map<NodeId, Lease>();
  readonly #clients = new Map<NodeId, { client: Client; life: number }>();
  /** By cluster. */
  readonly #claims = new Map<string, Claims>();
  #revision = 0;
  #history: MemberList[] = [{ revision: 0, members: [] }];
  down = false;
  slowness = 1;
  /** Share of lists answered from the past. */
  staleness = 0;
  hintLoss = 0.05;
  readonly cutOff = new Set<NodeId>();

  constructor(schedule: Schedule, chance: Chance) {
    this.#schedule = schedule;
    this.#chance = chance;
  }

  /** A process starts to use it; `life` tells its calls from those of an earlier one. */
  open(client: Client, life: number): void {
    this.#clients.set(client.node, { client, life });
  }

  nextRevision(node: NodeId, life: number, answer: (revision: number | undefined) => void): void {
    this.#call(node, life, () => ++this.#revision, answer);
  }

  list(node: NodeId, life: number): void {
    const read = (): MemberList => {
      const list = this.#chance.is(this.staleness) ? this.#chance.pick(this.#history) : this.#history.at(-1);
      return list ?? { revision: 0, members: [] };
    };
    this.#call(node, life, read, (list) => {
      const client = this.#clients.get(node)?.client;
      this.#tell(node, life, list ? { kind: 'members', list } : { kind: 'registry', state: 'down' });
      if (list && this.#isClaimed(node) && this.#clients.get(node)?.life === life) client?.takenOver();
    });
  }

  register(node: NodeId, life: number, record: MemberRecord): void {
    const put = (): boolean => {
      const known = this.#leases.get(node);
      if (known && known.life > life) return false;
      this.#put(node, record, life);
      return true;
    };
    this.#call(node, life, put, (done) =>
      this.#tell(
        node,
        life,
        done === undefined ? { kind: 'registry', state: 'down' } : { kind: 'members-hint' },
      ),
    );
  }

  /** Claims what is left, as `node/claims.ts` does with a setting for each cluster. */
  claim(
    client: ClusterClient,
    {
      owner,
      ask,
      blocks,
    }: { readonly owner: NodeId; readonly ask: number; readonly blocks: readonly BlockRange[] },
  ): void {
    const { node, cluster, life } = client;
    const put = (): readonly Claim[] | 'taken-over' => {
      const claims = withClaim(this.#claims.get(cluster) ?? {}, owner, node, blocks);
      if (claims === 'taken-over') return claims;
      this.#claims.set(cluster, claims);
      return claims[owner] ?? [];
    };
    this.#call(node, life, put, (claims) => {
      if (claims !== 'taken-over')
        this.#tell(
          node,
          life,
          claims ? { kind: 'claimed', owner, ask, claims } : { kind: 'registry', state: 'down' },
        );
      else if (client.life === life) client.takenOver();
    });
  }

  endClaims({ node, cluster, life }: ClusterClient, owner: NodeId, ends: readonly ClaimsEnd[]): void {
    const put = (): true => {
      this.#claims.set(cluster, ends.reduce(withEnd, this.#claims.get(cluster) ?? {}));
      return true;
    };
    this.#call(node, life, put, (done) =>
      this.#tell(node, life, done ? { kind: 'claims-ended', owner } : { kind: 'registry', state: 'down' }),
    );
  }

  #isClaimed(node: NodeId): boolean {
    for (const claims of this.#claims.values()) if (claims[node]) return true;
    return false;
  }

  // ─────────────────────────────────────────────────────────── faults

  /** A healthy lease ends all the same; its client notices at the next keep-alive and puts the record again. */
  expire(node: NodeId): void {
    const lease = this.#leases.get(node);
    if (lease) lease.expiresAt = this.#schedule.now;
    this.#sweep();
  }

  /** The key goes, the lease lives: only the mesher itself can see it, in a list. */
  loseKey(node: NodeId): void {
    const lease = this.#leases.get(node);
    if (!lease?.present) return;
    lease.present = false;
    this.#changed();
  }

  /** The record of `node` is replaced by one that it did not sign; it stands until the mesher sees it, or its client puts its own. */
  forge(node: NodeId, cluster: string): void {
    const lease = this.#leases.get(node);
    if (!lease?.present) return;
    this.#leases.set(node, {
      ...lease,
      record: { ...lease.record, cluster, incarnation: lease.record.incarnation + 1 },
    });
    this.#changed();
  }

  /** A clean stop gives the lease back, where the registry can be reached; else it ends by itself. */
  deregister(node: NodeId): void {
    if (!this.down && !this.cutOff.has(node)) this.expire(node);
  }

  heal(): void {
    this.down = false;
    this.slowness = 1;
    this.staleness = 0;
    this.hintLoss = 0.05;
    this.cutOff.clear();
  }

  // ─────────────────────────────────────────────────────────── inside

  #put(node: NodeId, record: MemberRecord, life: number): void {
    this.#leases.set(node, { record, life, expiresAt: this.#schedule.now + LEASE_TTL_MS, present: true });
    this.#changed();
    this.#schedule.after(LEASE_TTL_MS / 3, () => this.#keepAlive(node, record, life));
  }

  #keepAlive(node: NodeId, record: MemberRecord, life: number): void {
    const open = this.#clients.get(node);
    const lease = this.#leases.get(node);
    if (open?.life !== life || !open.client.running || (lease && lease.record !== record)) return;
    const again = (): void =>
      this.#schedule.after(LEASE_TTL_MS / 3, () => this.#keepAlive(node, record, life));
    if (open.client.frozen || this.down || this.cutOff.has(node)) return again();
    if (!lease) return this.#put(node, record, life);
    lease.expiresAt = this.#schedule.now + LEASE_TTL_MS;
    this.#schedule.after(LEASE_TTL_MS + 1, () => this.#sweep());
    again();
  }

  #sweep(): void {
    if (this.down) {
      this.#schedule.after(LEASE_TTL_MS, () => this.#sweep());
      return;
    }
    let gone = false;
    for (const [node, lease] of this.#leases) {
      if (lease.expiresAt > this.#schedule.now) continue;
      this.#leases.delete(node);
      gone = true;
    }
    if (gone) this.#changed();
  }

  #changed(): void {
    this.#schedule.after(LEASE_TTL_MS + 1, () => this.#sweep());
    const members = [...this.#leases.values()].filter((lease) => lease.present).map((lease) => lease.record);
    this.#history.push({ revision: ++this.#revision, members });
    if (this.#history.length > HISTORY_MAX) this.#history.shift();
    for (const [node, { life }] of this.#clients) {
      if (this.#chance.is(this.hintLoss) || this.down || this.cutOff.has(node)) continue;
      this.#schedule.after(this.#latency(), () => this.#tell(node, life, { kind: 'members-hint' }));
    }
  }

  #call<T>(node: NodeId, life: number, run: () => T, answer: (result: T | undefined) => void): void {
    const there = this.#latency();
    const back = this.#latency();
    let answered = false;
    const once = (result: T | undefined): void => {
      if (answered) return;
      answered = true;
      answer(result);
    };
    this.#schedule.after(TIMEOUT_MS, () => once(undefined));
    this.#schedule.after(there, () => {
      const open = this.#clients.get(node);
      if (this.down || this.cutOff.has(node) || open?.life !== life) return;
      const result = run();
      this.#schedule.after(back, () => {
        if (!this.cutOff.has(node)) once(result);
      });
    });
  }

  #latency(): number {
    return this.#chance.skewed(0.5, 20) * this.slowness;
  }

  #tell(node: NodeId, life: number, input: Input): void {
    const open = this.#clients.get(node);
    if (open?.life === life && open.client.running) open.client.input(input);
  }
}
