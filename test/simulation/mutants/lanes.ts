// Bugs of lanes: what was sent, what has arrived, and what nobody knows of.

import { comparePositions, START } from '../../../node/core/event.ts';
import { Landing } from '../../../node/core/landing.ts';
import { Lane } from '../../../node/core/lane.ts';
import { MesherCore } from '../../../node/core/mesher-core.ts';
import { Queue } from '../../../node/core/queue.ts';
import { SimNetwork } from '../network.ts';
import { LEDGERS, type Mutant, NO_LOSS, replace, REST, TWICE } from './mutant.ts';

export const OF_LANES: readonly Mutant[] = [
  {
    // either alone is harmless on streams that lose nothing but their end: together they lose what was on a fallen link
    name: 'takes what does not follow on what it has, on lanes that do not see their link fall',
    from: 60,
    caughtBy: [NO_LOSS],
    infect: () => {
      const takes = replace(
        Landing.prototype,
        'data',
        (right) =>
          function data(this: Landing, sender, message) {
            right.call(this, sender, { ...message, previous: START });
          },
      );
      const blind = replace(Lane.prototype, 'linkDown', () => () => undefined);
      return () => {
        takes();
        blind();
      };
    },
  },
  {
    name: 'believes that what was sent has arrived when a lane opens again',
    caughtBy: [NO_LOSS],
    infect: () => {
      // the highest position sent on each lane stands for what its receiver said it has
      const sent = new WeakMap<Lane, Parameters<Lane['ready']>[1]['mark']>();
      const takeItem = replace(
        Lane.prototype,
        'ack',
        (right) =>
          function ack(this: Lane, peer, message, now) {
            const before = sent.get(this);
            if (!before || comparePositions(message.upTo, before) > 0) sent.set(this, message.upTo);
            right.call(this, peer, message, now);
          },
      );
      const ready = replace(
        Lane.prototype,
        'ready',
        (right) =>
          function ready(this: Lane, peer, message, now) {
            const last = this.queue.lastPosition();
            right.call(this, peer, sent.has(this) && last ? { ...message, mark: last } : message, now);
          },
      );
      return () => {
        takeItem();
        ready();
      };
    },
  },
  {
    name: 'takes what it has sent for received',
    caughtBy: [NO_LOSS],
    infect: () =>
      replace(
        SimNetwork.prototype,
        'send',
        (right) =>
          function send(this: SimNetwork, from, to, message) {
            right.call(this, from, to, message);
            if (message.kind !== 'data') return;
            const { scope, lane, first, events } = message;
            const upTo = { ...first, sequence: first.sequence + events.length - 1 };
            const ack = { kind: 'ack', scope, lane, upTo, credit: 100_000 } as const;
            this.tell(from, { kind: 'messages', peer: to, messages: [ack] });
          },
      ),
  },
  {
    name: 'marks nothing as doubtful that a lane sends again to another',
    caughtBy: [TWICE, 'once per remote cluster', 'a group gets an event once', 'order per key'],
    infect: () =>
      replace(
        SimNetwork.prototype,
        'send',
        (right) =>
          function send(this: SimNetwork, from, to, message) {
            right.call(this, from, to, message.kind === 'data' ? { ...message, doubt: false } : message);
          },
      ),
  },
  {
    name: 'forgets at a restart how far it has received each lane',
    caughtBy: [TWICE],
    infect: () => replace(Landing.prototype, 'recover', () => () => undefined),
  },
  {
    name: 'forgets what a restart left in doubt',
    caughtBy: ['nothing twice without doubt', 'once per remote cluster'],
    infect: () => replace(Queue.prototype, 'lastPosition', () => () => undefined),
  },
  {
    name: 'now and then goes past an event of a lane without sending it',
    caughtBy: [LEDGERS],
    infect: () => {
      let frames = 0;
      return replace(
        MesherCore.prototype,
        'step',
        (right) =>
          function step(this: MesherCore, inputs, now) {
            return right.call(this, inputs, now).map((effect) => {
              if (effect.kind !== 'data' || effect.message.kind !== 'data' || ++frames % 20 !== 0)
                return effect;
              const { message } = effect;
              const first = { ...message.first, sequence: message.first.sequence + 1 };
              return { ...effect, message: { ...message, first, events: message.events.slice(1) } };
            });
          },
      );
    },
  },
  {
    name: 'sends frames on which an event gets lost on the way',
    caughtBy: [LEDGERS],
    infect: () => {
      let frames = 0;
      return replace(
        SimNetwork.prototype,
        'send',
        (right) =>
          function send(this: SimNetwork, from, to, message) {
            if (message.kind !== 'data' || message.events.length < 2 || ++frames % 20 !== 0) {
              right.call(this, from, to, message);
              return;
            }
            const first = { ...message.first, sequence: message.first.sequence + 1 };
            right.call(this, from, to, { ...message, first, events: message.events.slice(1) });
          },
      );
    },
  },
  {
    name: 'leaves what a lane has to send out of a batch',
    caughtBy: [LEDGERS],
    infect: () => {
      let batches = 0;
      return replace(
        MesherCore.prototype,
        'step',
        (right) =>
          function step(this: MesherCore, inputs, now) {
            return right.call(this, inputs, now).map((effect) => {
              if (effect.kind !== 'append' || ++batches % 20 !== 0) return effect;
              const ops = effect.ops.filter((op) => op.op !== 'entry' || op.entry.first === undefined);
              return { ...effect, ops };
            });
          },
      );
    },
  },
  {
    name: 'leaves lanes as they are when their link falls',
    caughtBy: [REST],
    infect: () => replace(Lane.prototype, 'linkDown', () => () => undefined),
  },
];
