// Bugs of dead letters that are redriven and dropped.

import { SubscriptionDelivery } from '../../../node/core/delivery.ts';
import type { JournalOp } from '../../../node/core/ports.ts';
import { Queue } from '../../../node/core/queue.ts';
import { DEAD_LETTERS } from '../../../node/core/subscription.ts';
import { Subscriptions } from '../../../node/core/subscriptions.ts';
import { SimMesher } from '../mesher.ts';
import { type Mutant, replace } from './mutant.ts';

const IS_BACK = 'what has left the dead letters is not back';

export const OF_DEAD_LETTERS: readonly Mutant[] = [
  {
    name: 'redrives and drops dead letters, and keeps them as well',
    options: { redrives: true },
    caughtBy: [IS_BACK],
    infect: () =>
      replace(
        SubscriptionDelivery.prototype,
        'takeOut',
        () =>
          function takeOut(events) {
            return [...events];
          },
      ),
  },
  {
    name: 'redrives letters that are gone, or that somebody has in hand',
    options: { redrives: true },
    caughtBy: [IS_BACK],
    infect: () =>
      replace(
        SubscriptionDelivery.prototype,
        'takeOut',
        (right) =>
          function takeOut(this: SubscriptionDelivery, events) {
            right.call(this, events);
            return [...events];
          },
      ),
  },
  {
    name: 'takes a letter from the dead letters before it is where it goes back to',
    from: 240,
    options: { redrives: true },
    caughtBy: ['what is redriven comes to its subscription again'],
    infect: () =>
      replace(
        SimMesher.prototype,
        'append',
        (right) =>
          function append(this: SimMesher, effect) {
            const letters = this.core?.subscriptions.get(DEAD_LETTERS)?.queue.id;
            const made = new Set(effect.ops.flatMap((op) => (op.op === 'block' ? op.block : [])));
            const takes = (op: JournalOp): boolean =>
              (op.op === 'drop-entry' || op.op === 'entry') && op.queue === letters && !made.has(op.block);
            this.write({ ...effect, ops: effect.ops.filter(takes) }, true);
            right.call(this, { ...effect, ops: effect.ops.filter((op) => !takes(op)) });
          },
      ),
  },
  {
    name: 'says nothing of dead letters that it takes from where they lie on disk only',
    options: { redrives: true },
    caughtBy: ['a dead letter waits until somebody takes it'],
    infect: () =>
      replace(
        Queue.prototype,
        'settleUnloaded',
        (right) =>
          function settleUnloaded(this: Queue, blocks) {
            right.call(this, blocks);
            return [];
          },
      ),
  },
  {
    name: 'sends a dead letter back to a subscription that never rejected it',
    options: { redrives: true },
    caughtBy: ['what is redriven comes to its own subscription alone'],
    infect: () =>
      replace(
        Subscriptions.prototype,
        'rejecter',
        (right) =>
          function rejecter(this: Subscriptions, name, adoptedFrom) {
            const others = this.all().filter(
              ({ subscription: one }) => ![name, DEAD_LETTERS].includes(one.name),
            );
            return others[0] ?? right.call(this, name, adoptedFrom);
          },
      ),
  },
];
