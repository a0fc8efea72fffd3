// Each operation as the keys that it puts and deletes. Blocks and dropped queues need more than the operation itself
// and are with the journal.

import type { JournalOp } from '../core/ports.ts';
import { BUCKETS } from '../core/interest-set.ts';
import * as codec from './codec.ts';
import * as keys from './keys.ts';

export type Change =
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: Buffer };

export function changesOf(op: Exclude<JournalOp, { op: 'block' | 'drop-queue' }>): readonly Change[] {
  switch (op.op) {
    case 'drop-block':
      return [del(keys.blockKey(op.block)), del(keys.headKey(op.block))];
    case 'entry':
      return [encoded(keys.entryKey(op.queue, op.block), codec.encodeEntry, op.entry)];
    case 'drop-entry':
      return [del(keys.entryKey(op.queue, op.block))];
    case 'queue':
      return [encoded(keys.queueKey(op.queue), codec.encodeText, op.name)];
    case 'mark':
      return [encoded(keys.markKey(op.sender, op), codec.encodePosition, op.position)];
    case 'subscription':
      return [encoded(keys.subscriptionKey(op.subscription.name), codec.encodeSubscription, op.subscription)];
    case 'drop-subscription':
      return [del(keys.subscriptionKey(op.name))];
    case 'member':
      return [encoded(keys.memberKey(op.member.node), codec.encodeMember, op.member)];
    case 'drop-member':
      return [del(keys.memberKey(op.node))];
    case 'routes': {
      const key = keys.routesKey(op.node, op.bucket);
      return [op.interests.length === 0 ? del(key) : encoded(key, codec.encodeRoutes, op.interests)];
    }
    case 'takeover':
      return [encoded(keys.takeoverKey(op.takeover.owner), codec.encodeTakeover, op.takeover)];
    case 'drop-routes': // seldom: a mesher is forgotten a week after it died
      return Array.from({ length: BUCKETS }, (_, bucket) => del(keys.routesKey(op.node, bucket)));
  }
}

export function encoded<T>(key: Buffer, encode: (key: Buffer, value: T) => Buffer, value: T): Change {
  return { type: 'put', key, value: encode(key, value) };
}

export function del(key: Buffer): Change {
  return { type: 'del', key };
}
