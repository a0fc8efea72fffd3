// Bugs of what rests on the disk: acks, settlements, blocks and incarnations.

import { MesherCore } from '../../../node/core/mesher-core.ts';
import { BlockClaims } from '../../../node/core/block-claims.ts';
import { Commits } from '../../../node/core/commits.ts';
import { Copies } from '../../../node/core/copies.ts';
import type { CopyAck } from '../../../node/core/messages.ts';
import type { JournalOp } from '../../../node/core/ports.ts';
import { Queue } from '../../../node/core/queue.ts';
import { Replication } from '../../../node/core/replication.ts';
import { MemoryJournal } from '../../../node/journal/memory-journal.ts';
import { SimMesher } from '../mesher.ts';
import { SimRegistry } from '../registry.ts';
import { all, BUG, type Mutant, NO_LOSS, replace, REST, SETTLED, TWICE } from './mutant.ts';

export const OF_DISKS: readonly Mutant[] = [
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
    name: 'acks before the copies that were promised are on their disks',
    caughtBy: ['what is acked is on as many disks as was promised'],
    infect: () =>
      replace(
        Replication.prototype,
        'whenCopied',
        () =>
          function whenCopied(_batch, _replicas, then) {
            then();
          },
      ),
  },
  {
    name: 'starts with the incarnation of its life before, also after an older disk was put back',
    caughtBy: [NO_LOSS, TWICE, REST, BUG, 'route tables agree', 'a token names one event'],
    infect: () =>
      all(
        replace(
          SimRegistry.prototype,
          'nextRevision',
          (right) =>
            function nextRevision(this: SimRegistry, node, life, answer) {
              right.call(this, node, life, (revision) => answer(revision === undefined ? undefined : 0));
            },
        ),
        replace(
          MemoryJournal.prototype,
          'getMetaNow',
          (right) =>
            function getMetaNow(this: MemoryJournal, key) {
              const persisted = right.call(this, key);
              return persisted === undefined ? undefined : String(Number(persisted) - 1);
            },
        ),
      ),
  },
  {
    name: 'settles what it hands out before anybody has said to have it',
    caughtBy: [NO_LOSS, REST, BUG],
    infect: () =>
      replace(
        Queue.prototype,
        'take',
        (right) =>
          function take(this: Queue) {
            const item = right.call(this);
            if (item && this.name.startsWith('s:')) this.settle(item);
            return item;
          },
      ),
  },
  {
    name: 'writes settlements before the batch that they belong to',
    from: 150,
    caughtBy: ['what is rejected becomes a dead letter'],
    infect: () =>
      replace(
        SimMesher.prototype,
        'append',
        (right) =>
          function append(this: SimMesher, effect) {
            const made = new Set(effect.ops.flatMap((op) => (op.op === 'block' ? op.block : [])));
            const isSettlement = (op: JournalOp): boolean =>
              op.op === 'drop-entry' || op.op === 'drop-block' || (op.op === 'entry' && !made.has(op.block));
            this.write({ ...effect, ops: effect.ops.filter(isSettlement) }, true);
            right.call(this, { ...effect, ops: effect.ops.filter((op) => !isSettlement(op)) });
          },
      ),
  },
  {
    name: 'believes that a copy still has what it has acked once',
    options: { replicas: 2, damages: true },
    caughtBy: [
      'copies are what they are copies of',
      'what is acked is on as many disks as was promised',
      REST,
      BUG,
    ],
    infect: () => {
      const acked = new WeakMap<Replication, Map<string, CopyAck>>();
      return all(
        replace(
          Replication.prototype,
          'ack',
          (right) =>
            function ack(this: Replication, peer, message) {
              const known = acked.get(this) ?? new Map<string, CopyAck>();
              acked.set(this, known.set(peer, message));
              right.call(this, peer, message);
            },
        ),
        replace(
          Replication.prototype,
          'ready',
          (right) =>
            function ready(this: Replication, peer, message, now) {
              const { incarnation, batch, cursor } = acked.get(this)?.get(peer) ?? message;
              right.call(this, peer, { ...message, incarnation, batch, cursor }, now);
            },
        ),
      );
    },
  },
  {
    name: 'tells nobody that it has put a damaged copy aside',
    options: { replicas: 2, damages: true },
    caughtBy: [REST],
    infect: () =>
      replace(
        Copies.prototype,
        'damaged',
        (right) =>
          function damaged(this: Copies, owner, isLinked) {
            const heal = replace(Copies.prototype, 'open', () => () => undefined);
            right.call(this, owner, isLinked);
            heal();
          },
      ),
  },
  {
    name: 'drops blocks that others still want',
    caughtBy: [NO_LOSS, BUG],
    infect: () =>
      replace(
        BlockClaims.prototype,
        'release',
        (right) =>
          function release(this: BlockClaims, block) {
            right.call(this, block);
            return true;
          },
      ),
  },
  {
    name: 'takes what expired for delivered, and says nothing of it',
    caughtBy: ['every undelivered event has a reason'],
    infect: () =>
      replace(
        MesherCore.prototype,
        'step',
        (right) =>
          function step(this: MesherCore, inputs, now) {
            const effects = right.call(this, inputs, now);
            return effects.filter((effect) => effect.kind !== 'fate' || effect.reason !== 'expired');
          },
      ),
  },
];
