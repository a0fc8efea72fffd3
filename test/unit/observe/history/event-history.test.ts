// The history against a naive one, in simulated federations with all their faults: what it tells of an event is what happened.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MesherCore } from '../../../../node/core/mesher-core.ts';
import type { Effect } from '../../../../node/core/steps.ts';
import type { Settlement } from '../../../../node/core/delivery-types.ts';
import { EventHash } from '../../../../node/observe/history/event-hash.ts';
import { EventHistory } from '../../../../node/observe/history/event-history.ts';
import { type LocalHop, recall } from '../../../../node/observe/history/recall.ts';
import { run } from '../../../simulation/run.ts';
import { NaiveHistory } from './naive-history.ts';

/** Events of the simulator carry their id as their first word, and are no Protobuf. */
class FirstWords extends EventHash {
  override readonly ofBytes = (bytes: Uint8Array, start: number, end: number): void => {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString();
    this.ofTexts('', text.split(' ', 1)[0] ?? '');
  };
}

interface Twins {
  readonly history: EventHistory;
  readonly naive: NaiveHistory;
}

/** One pair for each life of each mesher of the run. */
function runWith(seed: number, events: number, redrives = false): readonly Twins[] {
  const lives = new Map<MesherCore, Twins>();
  run({
    seed,
    redrives,
    damages: false,
    stepped: (mesher, inputs, effects) => {
      const { core } = mesher;
      if (!core) return;
      let twins = lives.get(core);
      if (!twins) {
        const { node, incarnation } = core;
        const clusterOf = (peer: string): string | undefined => core.members.clusterOf(peer);
        const hash = new FirstWords(() => 0.3);
        const history = new EventHistory({ node, incarnation, events, hash, clusterOf });
        const naive = new NaiveHistory({ node, incarnation, clusterOf });
        const queues = [...core.subscriptions.all().map(({ queue }) => queue), ...core.forwarder.queues()];
        for (const { id, name } of queues) {
          history.named(id, name);
          naive.queues.set(id, name);
        }
        lives.set(core, (twins = { history, naive }));
      }
      twins.history.stepped(inputs, effects, mesher.now());
      twins.naive.stepped(inputs, effects, mesher.now());
    },
  });
  return [...lives.values()];
}

/** In any order, and once: what happens in one ms has none, and what happens twice in it is told once. */
function sorted(hops: readonly LocalHop[]): string[] {
  return [...new Set(hops.map((hop) => JSON.stringify(hop)))].sort();
}

/** In the last one a mesher takes over another, which had an event that it had published itself. */
const SEEDS = [1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 2021];
/** With an operator who sends dead letters back. */
const REDRIVING = [1, 2, 3];

test('tells of each event what happened to it, all of it, as long as it need not forget', () => {
  let [events, hops, redriven] = [0, 0, 0];
  const look = (seed: number, twins: readonly Twins[]): void => {
    for (const { history, naive } of twins) {
      for (const [id, happened] of naive.hops) {
        assert.deepEqual(sorted(recall(history, '', id).hops), sorted(happened), `${id} of seed ${seed}`);
        events++;
        hops += happened.length;
        redriven += happened.filter(({ what }) => what === 'redriven').length;
      }
    }
  };
  for (const seed of SEEDS) look(seed, runWith(seed, 1_000_000));
  for (const seed of REDRIVING) look(seed, runWith(seed, 1_000_000, true));
  assert.ok(events > 5_000 && hops > 3 * events, `${events} events, ${hops} hops`);
  assert.ok(redriven > 5, `${redriven} letters were redriven`);
});

test('forgets the oldest, and then tells less, but nothing that did not happen to this event', () => {
  let [told, forgotten] = [0, 0];
  for (const seed of SEEDS.slice(0, 5)) {
    for (const { history, naive } of runWith(seed, 40)) {
      for (const [id, happened] of naive.hops) {
        const all = new Set(sorted(happened));
        const recalled = sorted(recall(history, '', id).hops);
        for (const hop of recalled)
          assert.ok(all.has(hop), `${id} of seed ${seed}: ${hop}\n${[...all].join('\n')}`);
        if (recalled.length > 0) told++;
        else forgotten++;
      }
    }
  }
  assert.ok(told > 100 && forgotten > 1_000, `${told} told, ${forgotten} forgotten`);
});

test('reads what consumers did once, however often and for how many subscriptions an event was published', (t) => {
  const hash = new FirstWords(() => 0.3);
  const [events, queues, times] = [4_000, 20, 64];
  const history = new EventHistory({ node: 'n', incarnation: 1, events, hash, clusterOf: () => undefined });
  const bytes = Buffer.from('again');
  const event = {
    origin: 'n',
    incarnation: 1,
    lookAt: (look: (bytes: Uint8Array, start: number, end: number) => void) => look(bytes, 0, bytes.length),
  };
  const now = { wall: 1, monotonic: 1 };
  const append = (block: number): Effect => {
    const ops: unknown[] = [{ op: 'block', block, events: [event] }];
    for (let queue = 1; queue <= queues; queue++)
      ops.push({ op: 'entry', queue, block, entry: { indices: [0], directives: [], first: undefined } });
    return { kind: 'append', batch: block, ops, sync: true } as Effect;
  };
  for (let block = 1; block <= times; block++) history.stepped([], [append(block)], now);
  const acked = (block: number): Settlement => ({
    kind: 'ack',
    token: { queue: 1, block, index: 0, attempt: 1, session: undefined },
  });
  const settlements = Array.from({ length: events / 2 }, (_, i) => acked(1_000 + 2 * i));
  history.stepped([{ kind: 'settle', request: 1, name: 'q', settlements }], [], now);
  const read = t.mock.method(history.handlings, 'cell');
  assert.equal(recall(history, '', 'again').open.length, queues * times);
  assert.ok(read.mock.callCount() <= events, `${read.mock.callCount()} cells`);
});
