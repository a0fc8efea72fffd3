// Bugs of taking over from a mesher that is gone for good.

import { Forwarder } from '../../../node/core/forwarder.ts';
import { Landing } from '../../../node/core/landing.ts';
import { NewestCopy } from '../../../node/core/newest-copy.ts';
import { Subscriptions } from '../../../node/core/subscriptions.ts';
import { Takeovers } from '../../../node/core/takeovers.ts';
import { BUG, type Mutant, NO_LOSS, replace, REST } from './mutant.ts';

export const OF_TAKEOVERS: readonly Mutant[] = [
  {
    name: 'forgets what the lost mesher had still to hand on',
    from: 200,
    caughtBy: [NO_LOSS],
    infect: () =>
      replace(
        Forwarder.prototype,
        'adopt',
        () =>
          function adopt() {
            // nothing
          },
      ),
  },
  {
    name: 'serves the queues of a lost mesher, and not what is published from then on',
    from: 30,
    caughtBy: [NO_LOSS, REST, BUG, 'route tables agree'],
    infect: () =>
      replace(
        Subscriptions.prototype,
        'activate',
        () =>
          function activate() {
            // nothing
          },
      ),
  },
  {
    name: 'takes for known all that was on its way to the lost mesher',
    from: 30,
    caughtBy: [NO_LOSS],
    infect: () =>
      replace(
        Landing.prototype,
        'has',
        () =>
          function has() {
            return true;
          },
      ),
  },
  {
    name: 'forgets what the lost mesher had taken over itself, or was about to',
    options: { replicas: 3 },
    caughtBy: [NO_LOSS],
    infect: () =>
      replace(
        Takeovers.prototype,
        'read',
        (right) =>
          function read(this: Takeovers, owner, recovered) {
            right.call(this, owner, { ...recovered, takeovers: [] });
          },
      ),
  },
  {
    name: 'forgets its copy as soon as somebody else has claimed it',
    from: 125,
    caughtBy: [NO_LOSS],
    infect: () =>
      replace(
        Takeovers.prototype,
        'claimed',
        (right) =>
          function claimed(this: Takeovers, owner, ask, claims) {
            const isOurs = claims.some(({ taker, isDone }) => taker === this.self && !isDone);
            right.call(this, owner, ask, isOurs ? claims : claims.map((one) => ({ ...one, isDone: true })));
          },
      ),
  },
  {
    name: 'takes its own copy for the newest, whoever else has one',
    from: 340,
    options: { replicas: 3 },
    caughtBy: [NO_LOSS],
    infect: () =>
      replace(
        NewestCopy.prototype,
        'isOurs',
        () =>
          function isOurs() {
            return true;
          },
      ),
  },
];
