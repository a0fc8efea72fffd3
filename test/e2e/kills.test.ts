// SIGKILL at random moments under load, of the mesher where events land, of the one where they are published, and of each
// of two where they land in turn: what was acked is delivered, and events come twice only where custody was in doubt (a
// publish, a settlement or a forward whose answer was lost). The count of those is reported. 30,000 events and ten kills
// each; 100,000 with LONG_TESTS=1 (npm run test:long).

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { Consumer, Ledger, Publisher, untilTaken } from '../support/traffic.ts';
import { until } from '../support/until.ts';

const KILLS = 10;
const EVENTS = process.env['LONG_TESTS'] === '1' ? 100_000 : 30_000;
const BATCH = 50;
/** What a killed mesher had handed out comes again at once; this is for pulls whose answer was lost. */
const DELIVERY = { ackTimeoutMs: 10_000 };

for (const victim of ['landing', 'origin'] as const) {
  test(`nothing acked is lost while the ${victim} mesher is killed ${KILLS} times`, async (t) => {
    const federation = await Federation.start(t, { clusters: { a: 1, b: 1 } });
    const [origin, landing] = [federation.mesher('a'), federation.mesher('b')];
    const subscriber = await Subscriber.start(t, landing);
    await federation.whenRouted(origin, 'e2e/events', ['b']);
    const killed = victim === 'origin' ? origin : landing;
    const publisher = await publishUnderKills(origin, [subscriber], async () => {
      await killed.kill();
      killed.start();
      await killed.whenReady();
    });
    report(t, publisher, [subscriber], 0);
    assert.equal(subscriber.ledger.outOfOrder, 0, 'first arrivals are in order per key');
  });
}

test(`nothing acked is lost while two landing meshers of a cluster are killed in turn, ${KILLS} times, and their lanes move`, async (t) => {
  const federation = await Federation.start(t, {
    clusters: { a: 1, b: 2 },
    flags: ['--timing-link-grace-ms', '200'],
  });
  const origin = federation.mesher('a');
  const landings = federation.meshers('b');
  const subscribers = await Promise.all(landings.map((landing) => Subscriber.start(t, landing)));
  await federation.whenRouted(origin, 'e2e/events', ['b']);
  const doubts = new Doubts(landings);
  const publisher = await publishUnderKills(origin, subscribers, async (kill) => {
    const victim = landings[kill % landings.length];
    assert.ok(victim);
    const { node } = (await victim.federation()).self;
    // once no lane is on its way, nothing lands in doubt: what the victim has counted until now is all it ever counts
    await until('no lane is on its way', async () =>
      (await lanesTo(origin)).every((lane) => lane.isIdle || lane.isOpen),
    );
    await doubts.beforeKill(victim);
    await victim.kill();
    await until('its lanes have moved', async () =>
      (await lanesTo(origin)).every((lane) => lane.isIdle || (lane.isOpen && lane.landing !== node)),
    );
    victim.start();
    await victim.whenReady();
    await federation.whenLinked();
  });
  const moved = await origin.metric('causeway_lane_moves_total', { reason: 'lost' });
  t.diagnostic(`lanes moved ${moved} times because of kills`);
  assert.ok(moved > 0, 'lanes moved');
  report(t, publisher, subscribers, await doubts.sum());
});

/** A durable subscription and what it got. */
class Subscriber {
  readonly ledger = new Ledger('orders', EVENTS);
  readonly consumer: Consumer;

  private constructor(mesher: RunningMesher) {
    this.consumer = new Consumer(mesher, 'orders', this.ledger);
  }

  static async start(t: TestContext, mesher: RunningMesher): Promise<Subscriber> {
    await mesher.putSubscription('orders', { topic: 'e2e/#', delivery: DELIVERY });
    const subscriber = new Subscriber(mesher);
    t.after(() => subscriber.consumer.stop());
    return subscriber;
  }
}

/** Events that landed in doubt, over processes whose counters end with them. */
class Doubts {
  readonly #meshers: readonly RunningMesher[];
  #ofTheKilled = 0;

  constructor(meshers: readonly RunningMesher[]) {
    this.#meshers = meshers;
  }

  async beforeKill(victim: RunningMesher): Promise<void> {
    this.#ofTheKilled += await victim.metric('causeway_events_doubtful_total');
  }

  async sum(): Promise<number> {
    const counts = await Promise.all(
      this.#meshers.map((mesher) => mesher.metric('causeway_events_doubtful_total')),
    );
    return counts.reduce((sum, count) => sum + count, this.#ofTheKilled);
  }
}

interface LaneState {
  readonly landing: string | undefined;
  readonly isOpen: boolean;
  /** With nothing to send it stays where it is. */
  readonly isIdle: boolean;
}

async function lanesTo(origin: RunningMesher): Promise<LaneState[]> {
  const { lanes } = await origin.links();
  return lanes
    .filter(({ destination }) => destination === 'b')
    .map(({ landing, state, queued, inFlight }) => {
      return { landing, isOpen: state === 'open', isIdle: queued + inFlight === 0 };
    });
}

/** Publishes an equal share of the events around each kill, and the last one after all. */
async function publishUnderKills(
  origin: RunningMesher,
  subscribers: readonly Subscriber[],
  kill: (nth: number) => Promise<void>,
): Promise<Publisher> {
  const publisher = new Publisher();
  const ledgers = subscribers.map(({ ledger }) => ledger);
  const received = (): number => ledgers.reduce((sum, ledger) => sum + ledger.received, 0);
  let kills = 0;
  let killing = true;
  const all = (async () => {
    for (; kills < KILLS; kills++) {
      const before = received();
      await until('traffic flows', () => received() > before);
      await sleep(Math.random() * 400);
      await kill(kills);
    }
  })().finally(() => (killing = false));
  const pace = async (done: number): Promise<void> => {
    if (killing) await sleep(20);
    while (killing && done >= ((kills + 1) * EVENTS) / (KILLS + 1)) await sleep(20);
  };
  await Promise.all([all, publisher.publish(() => origin, 0, EVENTS, { batch: BATCH, pace })]);
  await untilTaken('all that was acked is delivered', ledgers, () =>
    ledgers.every((ledger) => ledger.missing(EVENTS).length === 0),
  );
  return publisher;
}

function report(
  t: TestContext,
  publisher: Publisher,
  subscribers: readonly Subscriber[],
  doubtful: number,
): void {
  assert.equal(publisher.acked, EVENTS);
  for (const { ledger, consumer } of subscribers) {
    t.diagnostic(
      `${KILLS} kills: ${ledger.duplicates} events twice; in doubt: ${publisher.repeated} published again, ${consumer.inDoubt} settled without an answer, ${doubtful} landed in doubt`,
    );
    assert.ok(
      ledger.duplicates <= publisher.repeated + consumer.inDoubt + doubtful,
      `${ledger.duplicates} duplicates are more than custody in doubt explains`,
    );
  }
}
