// Who has still to get which event, so that "nothing is lost" is counted and not claimed; kept on disk, so that it
// holds across restarts.
// Invariant: an id is on disk before its event is published, and struck out before its delivery is settled. So a crash
// at any moment leaves ids that will come (again), never one that came and is waited for in vain.

export interface LedgerStore {
  iterator(): AsyncIterable<[string, string]>;
  batch(operations: LedgerOperation[]): Promise<void>;
}

export type LedgerOperation = { type: 'put'; key: string; value: string } | { type: 'del'; key: string };

interface Entry {
  /** Wall clock at which it was published, ms. */
  readonly sentAt: number;
  /** The mesher has taken it. Not acked after a crash: it may come, and is not missed if it does not. */
  acked: boolean;
  readonly waiting: Set<string>;
  /** From when its age counts: its sending, or the start of this run. */
  readonly sinceMs: number;
  readonly ofThisRun: boolean;
}

export interface LedgerCounts {
  readonly published: number;
  readonly delivered: ReadonlyMap<string, number>;
  /** Deliveries of events that the cluster had already had. */
  readonly duplicates: number;
  /** Acked events that some cluster has still to get. */
  readonly inFlight: number;
  /** Acked long ago and still not delivered everywhere. */
  readonly lost: number;
  /** Of the earlier run: how many were on their way, and how many still are. */
  readonly earlier: { readonly found: number; readonly left: number };
}

// An event that has not come by then is shown as lost: retries and moved lanes take seconds.
const lostAfterMs = 60_000;
// Never acked, and not come for so long: the mesher had not taken it.
const doubtEndsMs = 24 * 3_600_000;

export class TrafficLedger {
  readonly #store: LedgerStore;
  readonly #clusters: readonly string[];
  readonly #entries = new Map<string, Entry>();
  readonly #delivered: Map<string, number>;
  #published = 0;
  #duplicates = 0;
  #earlier = new Set<string>();
  #earlierFound = 0;
  #written: Promise<void> = Promise.resolve();

  private constructor(store: LedgerStore, clusters: readonly string[]) {
    this.#store = store;
    this.#clusters = clusters;
    this.#delivered = new Map(clusters.map((cluster) => [cluster, 0]));
  }

  /** `clusters`: where each event must arrive. `nowMs`: wall clock. */
  static async open(store: LedgerStore, clusters: readonly string[], nowMs: number): Promise<TrafficLedger> {
    const ledger = new TrafficLedger(store, clusters);
    for await (const [id, text] of store.iterator()) {
      const { sentAt, acked, waiting } = JSON.parse(text) as {
        sentAt: number;
        acked: boolean;
        waiting: string[];
      };
      // A cluster that does not run this time cannot be waited for.
      const gaveUp = !acked && nowMs - sentAt > doubtEndsMs;
      const here = gaveUp ? [] : waiting.filter((cluster) => clusters.includes(cluster));
      ledger.#entries.set(id, { sentAt, acked, waiting: new Set(here), sinceMs: nowMs, ofThisRun: false });
      if (acked && here.length > 0) ledger.#earlier.add(id);
    }
    await ledger.#save([...ledger.#entries.keys()]);
    ledger.#earlierFound = ledger.#earlier.size;
    return ledger;
  }

  /** Before publishing. */
  async sending(ids: readonly string[], nowMs: number): Promise<void> {
    for (const id of ids) {
      this.#entries.set(id, {
        sentAt: nowMs,
        acked: false,
        waiting: new Set(this.#clusters),
        sinceMs: nowMs,
        ofThisRun: true,
      });
    }
    await this.#save(ids);
  }

  /** After the mesher's ack; deliveries may have come before it. */
  async acked(ids: readonly string[]): Promise<void> {
    this.#published += ids.length;
    for (const id of ids) {
      const entry = this.#entries.get(id);
      if (entry !== undefined) entry.acked = true;
    }
    await this.#save(ids);
  }

  /** Before settling. Returns when each event that came for the first time was sent, wall clock. */
  async delivered(cluster: string, ids: readonly string[]): Promise<readonly number[]> {
    const sent: number[] = [];
    for (const id of ids) {
      const entry = this.#entries.get(id);
      if (entry?.waiting.delete(cluster) === true) {
        if (entry.ofThisRun) sent.push(entry.sentAt);
        this.#delivered.set(cluster, (this.#delivered.get(cluster) ?? 0) + 1);
        if (entry.waiting.size === 0) this.#earlier.delete(id);
      } else this.#duplicates++;
    }
    await this.#save(ids);
    return sent;
  }

  /** `answeringSince`: from when the way to a cluster has been open, wall clock, ms; Infinity: it is not, and what it is to get waits. */
  counts(nowMs: number, answeringSince: (cluster: string) => number = () => 0): LedgerCounts {
    let inFlight = 0;
    let lost = 0;
    for (const { acked, waiting, sinceMs } of this.#entries.values()) {
      if (!acked || waiting.size === 0) continue;
      const isLost = (cluster: string): boolean =>
        nowMs - Math.max(sinceMs, answeringSince(cluster)) > lostAfterMs;
      if ([...waiting].some(isLost)) lost++;
      else inFlight++;
    }
    const earlier = { found: this.#earlierFound, left: this.#earlier.size };
    return {
      published: this.#published,
      delivered: this.#delivered,
      duplicates: this.#duplicates,
      inFlight,
      lost,
      earlier,
    };
  }

  /** Acked events that one of these clusters has still to get. */
  waitingFor(clusters: (cluster: string) => boolean): number {
    let count = 0;
    for (const { acked, waiting } of this.#entries.values())
      if (acked && [...waiting].some(clusters)) count++;
    return count;
  }

  /** Writes go one after the other: LevelDB does not keep the order of batches under way at once. */
  async #save(ids: readonly string[]): Promise<void> {
    const operations = ids.flatMap((id) => this.#operation(id));
    const written = this.#written.then(() => this.#store.batch(operations));
    this.#written = written.catch(() => undefined); // told to whoever asked for that write
    await written;
  }

  /** An id that is everywhere is forgotten; its ack, should it come later, changes nothing. */
  #operation(id: string): LedgerOperation[] {
    const entry = this.#entries.get(id);
    if (entry === undefined) return [];
    const { sentAt, acked, waiting } = entry;
    if (waiting.size > 0)
      return [{ type: 'put', key: id, value: JSON.stringify({ sentAt, acked, waiting: [...waiting] }) }];
    this.#entries.delete(id);
    return [{ type: 'del', key: id }];
  }
}
