// Bugs of routes, of groups, and of who is there.

import { Announcer } from '../../../node/core/announcer.ts';
import { Forwarder } from '../../../node/core/forwarder.ts';
import { type Member, Membership } from '../../../node/core/membership.ts';
import { Route, RouteTable } from '../../../node/core/route-table.ts';
import { Router } from '../../../node/core/router.ts';
import { KeyRing } from '../fake-keys.ts';
import { BUG, type Mutant, NO_LOSS, replace, REST } from './mutant.ts';

export const OF_ROUTES: readonly Mutant[] = [
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
    from: 15,
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
    caughtBy: [NO_LOSS, REST, 'listeners get every event in quiet times', BUG],
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
    name: 'believes what is signed by anybody',
    from: 40,
    caughtBy: ['route tables agree', NO_LOSS, BUG, REST],
    infect: () =>
      replace(
        KeyRing.prototype,
        'make',
        (right) =>
          function make(this: KeyRing, node, secret) {
            return { ...right.call(this, node, secret), verify: () => true };
          },
      ),
  },
  {
    name: 'forgets the dead as soon as they are dead',
    caughtBy: [NO_LOSS],
    infect: () =>
      replace(
        Membership.prototype,
        'tick',
        (right) =>
          function tick(this: Membership, now) {
            for (const member of this.all()) if (member.status === 'dead') member.changedAt = -Infinity;
            right.call(this, now);
          },
      ),
  },
  {
    name: 'hears nothing of members that were away when it joined',
    caughtBy: ['who joins hears of those who are away'],
    infect: () => replace(Membership.prototype, 'takeAway', () => () => undefined),
  },
  {
    name: 'takes whoever is known by hearsay for an heir',
    from: 340,
    caughtBy: ['route tables agree', NO_LOSS, BUG, REST],
    infect: () =>
      replace(
        Membership.prototype,
        'isAdmitted',
        () =>
          function isAdmitted(this: Membership, node) {
            return this.get(node) !== undefined;
          },
      ),
  },
  {
    name: 'keeps nothing for subscriptions that somebody adopted who is known by hearsay',
    options: { replicas: 2, absences: true },
    caughtBy: [NO_LOSS],
    infect: () => {
      const right = Object.getOwnPropertyDescriptor(Route.prototype, 'by') ?? {};
      Object.defineProperty(Route.prototype, 'by', { ...right, get: () => undefined });
      return () => Object.defineProperty(Route.prototype, 'by', right);
    },
  },
  {
    name: 'keeps for ever what it has for those that are no members',
    from: 11,
    caughtBy: [REST],
    infect: () => {
      // giving up is for a member that is forgotten only, which is not part of a forwarder's tick
      const ticking = new Set<Forwarder>();
      const ticks = replace(
        Forwarder.prototype,
        'tick',
        (right) =>
          function tick(this: Forwarder, now) {
            ticking.add(this);
            right.call(this, now);
            ticking.delete(this);
          },
      );
      const forgets = replace(
        Forwarder.prototype,
        'forget',
        (right) =>
          function forget(this: Forwarder, destination) {
            return ticking.has(this) ? 0 : right.call(this, destination);
          },
      );
      return () => {
        forgets();
        ticks();
      };
    },
  },
];

function bury(member: Member): void {
  if (member.listed || member.status === 'dead') return;
  member.status = 'dead';
  member.changedAt = -Infinity; // and past every grace
}
