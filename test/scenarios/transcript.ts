// Effects in words: one line each, for people and for comparison. Bytes, signatures and digests are left out.

import { readMember } from '../../node/core/away.ts';
import type { Directive, Position, StoredEvent } from '../../node/core/event.ts';
import type { LinkMessage } from '../../node/core/messages.ts';
import type { JournalOp, RememberedInterest } from '../../node/core/ports.ts';
import type { Effect, Reply } from '../../node/core/steps.ts';

const ROUTE_CHATTER = new Set<Effect['kind'] | LinkMessage['kind']>([
  'allow',
  'gossip',
  'list-members',
  'ping',
  'pong',
  'route-heads',
  'route-pull',
  'route-delta',
  'route-head',
  'route-bucket-pull',
  'route-buckets',
  'sink',
]);

/** Undefined: chatter that is not asked for. `queueName` knows the queues on disk. */
export function describeEffect(
  effect: Effect,
  chatter: boolean,
  queueName: (queue: number) => string | undefined,
): string | undefined {
  const kind = effect.kind === 'control' ? effect.message.kind : effect.kind;
  if (!chatter && ROUTE_CHATTER.has(kind)) return undefined;
  switch (effect.kind) {
    case 'append':
      return `append ${effect.batch}${effect.sync ? '' : ' (no fsync)'}: ${describeOps(effect.ops, queueName)}`;
    case 'load':
      return `load blocks ${effect.blocks.join(', ')} for ${queueName(effect.queue) ?? `queue ${effect.queue}`}`;
    case 'reply':
      return `reply ${effect.request}: ${describeReply(effect.reply)}`;
    case 'deliver':
      return `deliver to session ${effect.session}: ${effect.deliveries.map(({ event, attempt }) => (attempt > 1 ? `${idOf(event)} (attempt ${attempt})` : idOf(event))).join(', ')}`;
    case 'session-closed':
      return `session ${effect.session} ends: ${effect.reason}`;
    case 'sink':
      return `sink of ${effect.name} changes`;
    case 'connect':
    case 'disconnect':
      return `${effect.kind} ${effect.peer}`;
    case 'allow':
      return `allow ${[...effect.peers].join(', ')}`;
    case 'control':
    case 'data':
      return `to ${effect.peer}: ${describeMessage(effect.message)}`;
    case 'gossip':
      return 'gossip a change of routes';
    case 'copy':
      return `to the copy on ${effect.peer}: batch ${effect.batch}`;
    case 'copy-range':
      return `read what the copy on ${effect.peer} needs behind ${effect.from === '' ? 'nothing' : effect.from}`;
    case 'copy-write':
      return `write to the copy of ${effect.owner}: up to batch ${effect.head.batch}`;
    case 'copy-drop':
      return `drop the copy of ${effect.owner}`;
    case 'copy-aside':
      return `put the copy of ${effect.owner} aside`;
    case 'claim':
      return `claim what ${effect.owner} left, blocks ${effect.blocks.map(({ from, upTo }) => `${from} to ${upTo}`).join(', ')}`;
    case 'end-claims':
      return `end claims on account of ${effect.owner}`;
    case 'read-copy':
      return `read the copy of ${effect.owner}`;
    case 'load-copy':
      return `load block ${effect.block} of the copy of ${effect.owner}`;
    case 'takeover-cut-short':
      return `the copy of ${effect.owner} is lost, blocks ${effect.left.map(({ from, upTo }) => `${from} to ${upTo}`).join(', ')} have not moved`;
    case 'list-members':
      return 'ask the registry who is there';
    case 'register':
      return `register, incarnation ${effect.record.incarnation}`;
    case 'fate':
      return `${idOf(effect.event)} is ${effect.what}: ${effect.reason}${describePlace(effect.to)}`;
    case 'unread-fate':
      return `${effect.blocks ? `blocks ${effect.blocks.join(', ')}` : 'all'} of ${queueName(effect.queue) ?? `queue ${effect.queue}`} are dropped unread: ${effect.reason}`;
  }
}

function describePlace(to: string): string {
  return to === '' ? '' : ` (${to})`;
}

function describeOps(ops: readonly JournalOp[], queueName: (queue: number) => string | undefined): string {
  const made = new Map<number, string>();
  for (const op of ops) if (op.op === 'queue') made.set(op.queue, op.name);
  const nameOf = (queue: number): string => made.get(queue) ?? queueName(queue) ?? `queue ${queue}`;
  return ops.length === 0 ? 'nothing' : ops.map((op) => describeOp(op, nameOf)).join('; ');
}

function describeOp(op: JournalOp, nameOf: (queue: number) => string): string {
  switch (op.op) {
    case 'block':
      return `block ${op.block} of ${op.events.map(idOf).join(', ')}`;
    case 'drop-block':
      return `drop block ${op.block}`;
    case 'entry': {
      const from = op.entry.first ? ` from ${position(op.entry.first)}` : '';
      const groups = op.entry.directives.map(({ directive }) => describeDirective(directive)).join('');
      return `${nameOf(op.queue)} wants ${op.entry.indices.join(', ')} of block ${op.block}${from}${groups}`;
    }
    case 'drop-entry':
      return `${nameOf(op.queue)} is done with block ${op.block}`;
    case 'queue':
      return `new queue ${op.name}`;
    case 'drop-queue':
      return `drop queue ${nameOf(op.queue)}`;
    case 'mark':
      return `has from ${op.sender} up to ${position(op.position)}`;
    case 'subscription':
      return `subscription ${op.subscription.name} on ${op.subscription.topic}`;
    case 'drop-subscription':
      return `drop subscription ${op.name}`;
    case 'member':
      return `member ${op.member.node}${op.member.heardFrom === undefined ? '' : `, heard of from ${op.member.heardFrom}`}`;
    case 'drop-member':
      return `drop member ${op.node}`;
    case 'routes':
      return `remember bucket ${op.bucket} of ${op.node}: ${op.interests.map(interestName).join(', ') || 'nothing'}`;
    case 'takeover':
      return `took over from ${op.takeover.owner} up to block ${op.takeover.upTo}`;
    case 'drop-routes':
      return `drop routes of ${op.node}`;
  }
}

function describeReply(reply: Reply): string {
  switch (reply.kind) {
    case 'published':
      return `published, ${reply.results
        .map(
          ({ destinations: { subscriptions, meshers, clusters } }) =>
            `${subscriptions} here${[...meshers, ...clusters].map((name) => ` and ${name}`).join('')}`,
        )
        .join(', ')}`;
    case 'put':
      return reply.created ? 'created' : 'replaced';
    case 'deleted':
      return 'deleted';
    case 'pulled':
      return `pulled ${reply.deliveries.map(({ event }) => idOf(event)).join(', ')}`;
    case 'settled':
      return `settled ${reply.settled}${reply.stale.length > 0 ? `, ${reply.stale.length} stale` : ''}`;
    case 'dead-letters-settled':
      return `settled ${reply.done} dead letters${reply.left.map(({ why, count }) => `, left ${count}: ${why}`).join('')}`;
    case 'failed':
      return `failed: ${reply.error.code}`;
  }
}

/** Who wants it is left out where it is one mesher: the usual case. */
function describeDirective({ groups, names, wanted = [], unknown = [] }: Directive): string {
  const served =
    groups === 'only' && names.length === 0 ? '' : `, groups ${groups} [${names.map(groupName).join(', ')}]`;
  const by = wanted.length > 1 ? `, wanted by ${wanted.map(({ node }) => node).join(' and ')}` : '';
  return `${served}${by}${unknown.length > 0 ? `, unknown ${unknown.join(' and ')}` : ''}`;
}

function describeMessage(message: LinkMessage): string {
  switch (message.kind) {
    case 'lane-open':
      return `lane-open, all up to ${position(message.base)} is acked`;
    case 'lane-ready':
      return `lane-ready, has all up to ${position(message.mark)}, credit ${message.credit}`;
    case 'data': {
      const ids = message.events.map(({ event }) => idOf(event)).join(', ');
      const said = [...new Set(message.events.map(({ directive }) => describeDirective(directive)))].join(
        ' then',
      );
      return `data ${position(message.previous)} → ${position(message.first)}${message.doubt ? ' in doubt' : ''}: ${ids}${said}`;
    }
    case 'ack':
      return `ack up to ${position(message.upTo)}, credit ${message.credit}`;
    case 'gap':
      return `gap, has all up to ${position(message.last)}`;
    case 'best-effort':
      return `best effort: ${message.events.map(({ event }) => idOf(event)).join(', ')}`;
    case 'hello':
    case 'ping':
    case 'pong':
    case 'route-heads':
    case 'route-pull':
    case 'route-delta':
    case 'route-head':
    case 'route-bucket-pull':
    case 'route-buckets':
    case 'copy-open':
    case 'copy-drop':
      return message.kind;
    case 'copy-ready':
    case 'copy-ack':
      return `${message.kind}, has batch ${message.batch} of ${message.incarnation}${message.cursor === '' ? '' : `, ranges up to ${message.cursor}`}`;
    case 'members-away':
      return `members away: ${message.members.map(({ signed, awayMs }) => `${readMember(signed, '')?.node ?? '?'} for ${awayMs} ms`).join(', ')}`;
    case 'copy-held':
      return `copy-held of ${message.owner}: batch ${message.batch} of ${message.incarnation}`;
    case 'copy-start':
      return `copy-start behind batch ${message.batch}`;
    case 'copy-batch':
      return `copy-batch ${message.batch}${message.last ? '' : `, part ${message.part}`}`;
    case 'copy-range':
      return `copy-range from ${message.from === '' ? 'the start' : message.from} to ${message.to}`;
  }
}

function position({ incarnation, sequence }: Position): string {
  return `${incarnation}:${sequence}`;
}

function interestName({ filter, group }: RememberedInterest): string {
  return group === '' ? filter : groupName(`${filter}\u0000${group}`);
}

function groupName(key: string): string {
  const [filter = '', group = ''] = key.split('\u0000');
  return `${group} on ${filter}`;
}

export function idOf(event: StoredEvent): string {
  const id = Buffer.from(event.cloudEvent).toString().trim();
  return event.deadLetter
    ? `${id} (dead letter of ${event.deadLetter.subscription}: ${event.deadLetter.reason})`
    : id;
}
