// Known bugs, switched in from outside by replacing methods: what the checkers are worth is shown by their finding these.
// Each says what it breaks and which promises may be the ones that are seen broken.

import { Announcer } from '../../node/core/announcer.ts';
import { Commits } from '../../node/core/commits.ts';
import { comparePositions, START } from '../../node/core/event.ts';
import { Landing } from '../../node/core/landing.ts';
import { Lane } from '../../node/core/lane.ts';
import { type Member, Membership } from '../../node/core/membership.ts';
import { Queue } from '../../node/core/queue.ts';
import { RouteTable } from '../../node/core/route-table.ts';
import { Router } from '../../node/core/router.ts';
import { SimMesher } from './mesher.ts';

export interface Mutant {
  readonly name: string;
  /** Puts the bug in; the result takes it out again. */
  readonly infect: () => () => void;
  /** The first seed to try: rare bugs want a seed that meets them. */
  readonly from?: number;
  /** Promises whose breach counts as having been caught. */
  readonly caughtBy: readonly string[];
}

const NO_LOSS = 'no acked event is lost';
const SETTLED = 'what is settled never comes back';
const REST = 'everything is delivered in the end';

/** Replaces one method; `make` gets the right one. */
function replace<Owner extends object, Name extends keyof Owner>(
  owner: Owner,
  name: Name,
  make: (right: Owner[Name]) => Owner[Name],
): () => void {
  const right = owner[name];
  owner[name] = make(right);
  return () => {
    owner[name] = right;
  };
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'acks what is not on disk yet',
    caughtBy: [NO_LOSS, SETTLED, 'a token names one event'],
    infect: () =>
      replace(
        SimMesher.prototype,
        'append',
        () =>
          function append(this: SimMesher, effect) {
            this.write(effect, false);
            this.input({ kind: 'appended', batch: effect.batch });
          },
      ),
  },
  {
    name: 'answers publishers before the batch is written',
    caughtBy: [NO_LOSS, SETTLED],
    infect: () =>
      replace(
        Commits.prototype,
        'whenDurable',
        () =>
          function whenDurable(this: Commits, then) {
            then();
          },
      ),
  },
  {
    // either alone is harmless on streams that lose nothing but their end: together they lose what was on a fallen link
    name: 'takes what does not follow on what it has, on lanes that do not see their link fall',
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
    name: 'decides groups where events land, too',
    caughtBy: ['a group gets an event once'],
    infect: () =>
      replace(
        Router.prototype,
        'decide',
        (right) =>
          function decide(this: Router<never>, topic, hash, keyed, reach, directive) {
            return right.call(
              this,
              topic,
              hash,
              keyed,
              reach,
              reach === 'cluster' ? { groups: 'except', names: [] } : directive,
            );
          },
      ),
  },
  {
    name: 'leaves it to the landing mesher alone who of its cluster wants an event',
    caughtBy: [NO_LOSS],
    from: 40,
    infect: () =>
      replace(
        Router.prototype,
        'decide',
        (right) =>
          function decide(this: Router<never>, topic, hash, keyed, reach, { groups, names }) {
            return right.call(this, topic, hash, keyed, reach, { groups, names });
          },
      ),
  },
  {
    name: 'never announces that an interest is gone',
    caughtBy: ['route tables agree'],
    infect: () => replace(Announcer.prototype, 'remove', () => () => undefined),
  },
  {
    name: 'forgets at a restart what others want',
    caughtBy: ['durable interests outlive restarts', NO_LOSS],
    infect: () => replace(RouteTable.prototype, 'recover', () => () => undefined),
  },
  {
    name: 'takes a lost lease for death',
    caughtBy: [NO_LOSS, REST, 'listeners get every event in quiet times', 'the core throws only for bugs'],
    infect: () =>
      replace(
        Membership.prototype,
        'tick',
        (right) =>
          function tick(this: Membership, now) {
            for (const member of this.all()) bury(member);
            right.call(this, now);
          },
      ),
  },
  {
    name: 'forgets what a restart left in doubt',
    from: 150,
    caughtBy: ['nothing twice without doubt', 'once per remote cluster'],
    infect: () => replace(Queue.prototype, 'lastPosition', () => () => undefined),
  },
  {
    name: 'leaves lanes as they are when their link falls',
    from: 130,
    caughtBy: [REST],
    infect: () => replace(Lane.prototype, 'linkDown', () => () => undefined),
  },
];

function bury(member: Member): void {
  if (member.listed || member.status === 'dead') return;
  member.status = 'dead';
  member.changedAt = -Infinity; // and past every grace
}
