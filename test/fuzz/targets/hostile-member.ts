// A core and a member of its federation that means harm: whatever messages and gossip that one sends, properly signed, in
// whatever order with links that fall, time that passes and clients that go on, the core never fails, and what it wants
// written, sent and delivered can be written, sent and delivered.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { memberText } from '../../../node/core/away.ts';
import { VOLATILE_BLOCK, type DeliveryToken } from '../../../node/core/delivery-token.ts';
import { decodeRecord } from '../../../node/core/event-record.ts';
import { hash32 } from '../../../node/core/event.ts';
import { InterestSet } from '../../../node/core/interest-set.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import { signMember } from '../../../node/core/membership.ts';
import { MesherCore } from '../../../node/core/mesher-core.ts';
import type { LinkMessage } from '../../../node/core/messages.ts';
import type { MemberRecord } from '../../../node/core/ports.ts';
import { encodeHead, type RouteOp, signDelta } from '../../../node/core/route-record.ts';
import type { Effect, Input } from '../../../node/core/steps.ts';
import { DELIVERY_DEFAULTS } from '../../../node/core/subscription.ts';
import { TIMING } from '../../../node/core/timing.ts';
import { WIRE_VERSION } from '../../../node/core/wire-version.ts';
import { WireError } from '../../../node/wire/wire-error.ts';
import { decodeMessage, encodeMessage } from '../../../node/wire/link-messages.ts';
import * as codec from '../../../node/journal/codec.ts';
import { decodeContent, encodeOps } from '../../../node/journal/copy-content.ts';
import * as journalKeys from '../../../node/journal/keys.ts';
import type { Chance } from '../../simulation/chance.ts';
import { KeyRing } from '../../simulation/fake-keys.ts';
import { NOTHING } from '../../support/lone-core.ts';
import { DiskInHand } from '../../unit/core/disk-in-hand.ts';
import { linkMessage } from '../../unit/wire/arbitraries.ts';
import { Choices, piece, sampled, type Target, unlessRefused } from '../target.ts';

const STEPS_MAX = 96;
const WALL = 1_750_000_000_000;
const EVIL = 'evil';
const HONEST = 'honest';

const GONE = 'gone';
const ring = new KeyRing();
const keys = {
  a: ring.make('a', 'sa'),
  [EVIL]: ring.make(EVIL, 'se'),
  [HONEST]: ring.make(HONEST, 'sh'),
  [GONE]: ring.make(GONE, 'sg'),
};
const member = (node: keyof typeof keys, cluster: string, incarnation = 1): MemberRecord =>
  signMember(keys[node], {
    federation: 'acme',
    cluster,
    node,
    incarnation,
    addresses: [],
    http: '',
    labels: {},
    version: '0',
  });
const SELF = member('a', 'eu');
const CLUSTERS = ['us', 'eu'] as const;
/** Members that are said to be away: true, of the past, living, and forged. */
const AWAY = [
  member(GONE, 'eu'),
  member(GONE, 'us', 2),
  member(HONEST, 'eu', 2),
  SELF,
  { ...member(GONE, 'eu'), incarnation: 3 },
].map((record) => ({ signed: memberText(record), signature: record.signature }));

const anyMessage = sampled(linkMessage, encodeMessage);
/** Messages that fit each other: few lanes, positions, versions, filters. */
const small = fc.nat({ max: 3 });
const position = fc.record({ incarnation: fc.integer({ min: 1, max: 2 }), sequence: small });
const lane = { scope: fc.constantFrom('cluster' as const, 'peer' as const), lane: fc.nat({ max: 1 }) };
const owner = fc.constantFrom(EVIL, HONEST, GONE, 'a', 'nobody');
const version = { node: owner, incarnation: fc.integer({ min: 1, max: 2 }), sequence: small };
const fittingMessage = sampled(
  fc.oneof(
    fc.record({ kind: fc.constant('lane-open' as const), ...lane, base: position }),
    fc.record({
      kind: fc.constant('lane-ready' as const),
      ...lane,
      mark: position,
      credit: fc.nat({ max: 100_000 }),
    }),
    fc.record({
      kind: fc.constant('ack' as const),
      ...lane,
      upTo: position,
      credit: fc.nat({ max: 100_000 }),
    }),
    fc.record({ kind: fc.constant('gap' as const), ...lane, last: position }),
    fc.record({ kind: fc.constant('copy-open' as const), incarnation: small }),
    fc.record({
      kind: fc.constantFrom('copy-ready' as const, 'copy-ack' as const),
      incarnation: small,
      batch: small,
      cursor: fc.constantFrom('', '1', '400', '9'),
      hasPast: fc.boolean(),
    }),
    fc.record({
      kind: fc.constant('copy-start' as const),
      incarnation: small,
      batch: small,
      nextBlock: small,
    }),
    fc.record({
      kind: fc.constant('copy-batch' as const),
      incarnation: small,
      batch: small,
      part: fc.nat({ max: 1 }),
      last: fc.boolean(),
      nextBlock: small,
      content: fc.constant(Buffer.alloc(0)),
    }),
    fc.record({ kind: fc.constant('route-pull' as const), ...version }),
    fc.record({
      kind: fc.constant('route-bucket-pull' as const),
      ...version,
      buckets: fc.array(fc.nat({ max: 255 }), { maxLength: 3 }),
    }),
    fc.record({
      kind: fc.constant('members-away' as const),
      members: fc.array(
        fc
          .tuple(fc.constantFrom(...AWAY), fc.nat({ max: 1_000 }))
          .map(([record, awayMs]) => ({ ...record, awayMs })),
        { maxLength: 4 },
      ),
    }),
    fc.record({
      kind: fc.constant('route-heads' as const),
      answer: fc.boolean(),
      heads: fc.array(fc.record({ ...version, digest: small }), { maxLength: 3 }),
    }),
  ) as fc.Arbitrary<LinkMessage>,
  encodeMessage,
);

const NUMBERS = [VOLATILE_BLOCK, 65_536, 2 ** 32, 2 ** 48, 2 ** 53 - 2, 2 ** 53 - 1];
const PIECE_BYTES = 64 * 1024;
const MESSAGE = 0;
const GOSSIP = 1;
const DELTA = 2;
const HEAD = 3;

export const target: Target = {
  name: 'hostile-member',
  shape: 'bytes',
  bytesMax: 6_144,
  dictionary: [
    EVIL,
    HONEST,
    'orders/#',
    'orders/eu',
    '#',
    '$sys/x',
    Buffer.of(0, 0, 1),
    Buffer.of(4, 5, 6, 7, 8),
  ],
  sample: (chance) =>
    Buffer.concat([
      Buffer.of(chance.below(4)),
      ...Array.from({ length: 3 + chance.below(12) }, () => sampleStep(chance)),
    ]),
  quick: 800,
  operationsFree: 400_000,
  operationsPerByte: 2_000,
  run: (input) => {
    const choices = new Choices(input);
    const first = choices.byte();
    const bench = new Bench(CLUSTERS[first & 1] ?? 'us', 1 + ((first >> 1) & 1));
    let taken = true;
    for (let steps = 0; choices.left > 0 && steps < STEPS_MAX; steps++) taken = bench.step(choices) && taken;
    bench.end();
    return taken;
  },
};

function sampleStep(chance: Chance): Buffer {
  if (chance.is(0.35)) return Buffer.of(4 + chance.below(10), chance.below(256));
  const message = chance.is(0.5) ? anyMessage(chance) : fittingMessage(chance);
  if (chance.is(0.6)) return Buffer.concat([Buffer.of(MESSAGE), piece(message)]);
  const filters = chance.pick(['orders/#', '#', 'a', 'orders/+/x']);
  return Buffer.concat([
    Buffer.of(chance.pick([DELTA, HEAD]), chance.below(4), chance.below(4), chance.below(4)),
    piece(filters),
    piece(chance.pick(['', 'g'])),
  ]);
}

class Bench {
  readonly #core: MesherCore;
  readonly #disk = new DiskInHand();
  readonly #appends: Extract<Effect, { kind: 'append' }>[] = [];
  readonly #loads: Extract<Effect, { kind: 'load' }>[] = [];
  readonly #copyWrites: Extract<Effect, { kind: 'copy-write' }>[] = [];
  readonly #interests = new InterestSet();
  readonly #cluster: string;
  #monotonic = 1;
  #request = 1;
  #isLinked = false;
  readonly #sessions = new Set<number>();

  /** `cluster`: of the hostile member; in that of the core it may also keep copies, and have copies kept. */
  constructor(cluster: (typeof CLUSTERS)[number], replicas: number) {
    this.#cluster = cluster;
    this.#core = new MesherCore(
      {
        self: SELF,
        limits: LIMITS,
        timing: TIMING,
        keys: keys.a,
        random: () => 0.5,
        replicas,
        rejoining: false,
      },
      NOTHING,
      this.#now(),
    );
    this.#input({
      kind: 'members',
      list: { revision: 1, members: [SELF, member(EVIL, cluster), member(HONEST, 'eu')] },
    });
    this.#input({ kind: 'link-up', peer: HONEST, cluster: 'eu', incarnation: 1, version: WIRE_VERSION });
    this.#link(true);
    const subscription = {
      name: 's',
      topic: 'orders/#',
      group: undefined,
      sink: undefined,
      adoptedFrom: undefined,
      delivery: DELIVERY_DEFAULTS,
    };
    this.#input({ kind: 'put-subscription', request: this.#request++, subscription });
  }

  #now() {
    return { wall: WALL + this.#monotonic, monotonic: this.#monotonic };
  }

  /** False: what the member sent was refused before the core saw it. */
  step(choices: Choices): boolean {
    const kind = choices.byte() % 14;
    switch (kind) {
      case MESSAGE: {
        const decoded = unlessRefused([WireError], () => decodeMessage(choices.piece()));
        if (decoded && this.#isLinked)
          this.#input({ kind: 'messages', peer: EVIL, messages: [decoded.value] });
        return decoded !== undefined;
      }
      case GOSSIP:
        this.#input({ kind: 'gossip', bytes: choices.piece() });
        return true;
      case DELTA:
      case HEAD:
        this.#sayRoutes(kind, choices);
        return true;
      case 4:
        this.#monotonic += choices.byte() * 100;
        this.#input({ kind: 'tick' });
        return true;
      case 5:
        this.#append();
        return true;
      case 6:
        this.#load();
        return true;
      case 7:
        this.#link(!this.#isLinked);
        return true;
      case 8:
        this.#publish(choices.pick(['orders/eu', 'a', 'b/c']), choices.byte());
        return true;
      case 9:
        this.#input({ kind: 'pull', request: this.#request++, name: 's', max: choices.byte(), waitMs: 0 });
        return true;
      case 10: {
        const token = tokenOf(choices);
        const settlements = [
          choices.pick([
            { kind: 'ack', token },
            { kind: 'retry', token, delayMs: 0 },
          ] as const),
        ];
        this.#input({ kind: 'settle', request: this.#request++, name: 's', settlements });
        return true;
      }
      case 13: {
        const session = choices.byte() % 4;
        const resumeAfter = choices.byte() % 2 === 0 ? undefined : tokenOf(choices);
        if (this.#sessions.delete(session)) this.#input({ kind: 'detach', session });
        else {
          this.#sessions.add(session);
          this.#input({ kind: 'attach', session, name: 's', credit: choices.byte(), resumeAfter });
        }
        return true;
      }
      case 11:
        this.#input({ kind: choices.pick(['full', 'drained']), peer: EVIL });
        return true;
      default:
        this.#input({ kind: 'disk', state: choices.pick(['ok', 'full']) });
        return true;
    }
  }

  /** Its own record, signed, with lies in it or without. */
  #sayRoutes(kind: typeof DELTA | typeof HEAD, choices: Choices): void {
    const [incarnation, sequence, flags] = [choices.byte(), choices.byte(), choices.byte()];
    const interest = {
      filter: choices.piece().toString(),
      group: choices.piece().toString(),
      durable: (flags & 1) !== 0,
    };
    const ops: RouteOp[] = [{ add: (flags & 2) === 0, interest }];
    if ((flags & 4) === 0) {
      if ((flags & 2) === 0) this.#interests.set(interest);
      else this.#interests.delete(interest.filter, interest.group);
    }
    const { proof, bytes } = signDelta(keys[EVIL], incarnation, sequence, this.#interests, ops);
    if ((flags & 8) !== 0) this.#input({ kind: 'gossip', bytes });
    else if (!this.#isLinked) return;
    else if (kind === DELTA)
      this.#input({ kind: 'messages', peer: EVIL, messages: [{ kind: 'route-delta', delta: bytes }] });
    else
      this.#input({
        kind: 'messages',
        peer: EVIL,
        messages: [{ kind: 'route-head', head: encodeHead(proof, this.#interests) }],
      });
  }

  #publish(topic: string, sequence: number): void {
    const event = {
      topic,
      expiresAt: 0,
      key: '',
      hash: hash32(`${sequence}`),
      cloudEvent: Buffer.alloc(1 + sequence),
    };
    this.#input({
      kind: 'publish',
      request: this.#request++,
      qos: sequence % 2 === 0 ? 'durable' : 'best-effort',
      report: true,
      events: [event],
    });
  }

  #link(up: boolean): void {
    this.#isLinked = up;
    if (up)
      this.#input({
        kind: 'link-up',
        peer: EVIL,
        cluster: this.#cluster,
        incarnation: 1,
        version: WIRE_VERSION,
      });
    else this.#input({ kind: 'link-down', peer: EVIL, reason: 'test' });
  }

  #append(): void {
    const append = this.#appends.shift();
    if (!append) return;
    this.#disk.apply(append.ops);
    this.#input({ kind: 'appended', batch: append.batch });
  }

  #load(): void {
    const write = this.#copyWrites.shift();
    if (write) this.#input({ kind: 'copy-written', owner: write.owner, head: write.head });
    const load = this.#loads.shift();
    if (load)
      this.#input({ kind: 'loaded', queue: load.queue, entries: this.#disk.load(load.queue, load.blocks) });
  }

  #input(input: Input): void {
    for (const effect of this.#core.step([input], this.#now())) this.#carryOut(effect);
  }

  #carryOut(effect: Effect): void {
    if (effect.kind === 'append') {
      for (const op of effect.ops) checkWritable(op);
      this.#appends.push(effect);
    } else if (effect.kind === 'load') this.#loads.push(effect);
    else if (effect.kind === 'copy-write') this.#copyWrites.push(effect);
    else if (effect.kind === 'copy')
      for (const piece of encodeOps(effect.ops, PIECE_BYTES)) decodeContent(piece);
    else if (effect.kind === 'copy-range')
      this.#input({
        kind: 'copy-ranged',
        peer: effect.peer,
        read: effect.read,
        to: '9',
        content: Buffer.alloc(0),
      });
    else if (effect.kind === 'control' || effect.kind === 'data')
      decodeMessage(encodeMessage(effect.message));
    else if (effect.kind === 'deliver') for (const { event } of effect.deliveries) decodeRecord(event.record);
  }

  /** All that is under way ends. */
  end(): void {
    for (
      let rounds = 0;
      this.#appends.length + this.#loads.length + this.#copyWrites.length > 0 && rounds < 1_000;
      rounds++
    ) {
      this.#append();
      this.#load();
    }
    assert.equal(this.#appends.length, 0, 'writing comes to an end');
  }
}

/** As a client may have made it up. */
function tokenOf(choices: Choices): DeliveryToken {
  const number = (): number => {
    const byte = choices.byte();
    return byte < 250 ? byte : (NUMBERS[byte - 250] ?? 0);
  };
  const token = { queue: number(), block: number(), index: number(), attempt: number() };
  return { ...token, session: choices.byte() % 2 === 0 ? undefined : number() };
}

/** As the journal on disk writes it. */
function checkWritable(op: Extract<Effect, { kind: 'append' }>['ops'][number]): void {
  if (op.op === 'block') {
    const key = journalKeys.blockKey(op.block);
    codec.decodeBlock(key, codec.encodeBlock(key, op.events)).events(op.events.map((_, i) => i));
  } else if (op.op === 'entry') {
    const key = journalKeys.entryKey(op.queue, op.block);
    assert.deepEqual(codec.decodeEntry(key, codec.encodeEntry(key, op.entry)).indices, [...op.entry.indices]);
  } else if (op.op === 'mark') {
    const key = journalKeys.markKey(op.sender, op);
    assert.deepEqual(codec.decodePosition(key, codec.encodePosition(key, op.position)), op.position);
  } else if (op.op === 'routes' && op.interests.length > 0) {
    const key = journalKeys.routesKey(op.node, op.bucket);
    codec.decodeRoutes(key, codec.encodeRoutes(key, op.interests));
  } else if (op.op === 'member') {
    const key = journalKeys.memberKey(op.member.node);
    assert.deepEqual(codec.decodeMember(key, codec.encodeMember(key, op.member)), op.member);
  }
}
