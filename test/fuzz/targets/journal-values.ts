// Values and keys of the journal. The first byte says what the value is, and whether its checksum is made right: what a disk
// damages is found by that, what a fault of ours wrote is not.

import assert from 'node:assert/strict';
import { CorruptionError, seal, unseal } from '../../../node/journal/bytes.ts';
import * as codec from '../../../node/journal/codec.ts';
import { decodeContent, encodeOps } from '../../../node/journal/copy-content.ts';
import * as keys from '../../../node/journal/keys.ts';
import type { JournalOp, QueueEntry, Takeover } from '../../../node/core/ports.ts';
import { DELIVERY_DEFAULTS } from '../../../node/core/subscription.ts';
import { storedEvents } from '../../support/events.ts';
import type { Chance } from '../../simulation/chance.ts';
import { plain, type Target, unlessRefused } from '../target.ts';

const KEY = Buffer.from('a key');
const WRONG_CHECKSUM = 0x80;

interface Kind {
  readonly sample: (chance: Chance) => Buffer;
  readonly decode: (value: Buffer) => unknown;
  /** Of what was decoded; left out: there is no encoder for it alone. */
  readonly encode?: (decoded: never) => Buffer;
}

function kind<T>(
  sample: (chance: Chance) => T,
  decode: (value: Buffer) => T,
  encode: (value: T) => Buffer,
): Kind {
  return { sample: (chance) => encode(sample(chance)), decode, encode };
}

const texts = (chance: Chance): string[] =>
  Array.from({ length: chance.below(4) }, () => chance.pick(['', 'orders/#', 'billing', 'ü', '12D3KooW']));
const number = (chance: Chance): number => chance.pick([0, 1, 127, 128, 65_536, 2 ** 32, 2 ** 53 - 1]);
const position = (chance: Chance) => ({ incarnation: number(chance), sequence: number(chance) });

/** What goes to a copy of a journal has no checksum of its own: its values have. */
const COPY_CONTENT = 0x40;

const KINDS: readonly [Kind, ...Kind[]] = [
  {
    sample: (chance) =>
      codec.encodeBlock(KEY, storedEvents(1 + chance.below(4), { bytes: chance.below(40) })),
    decode: (value) => {
      const block = codec.decodeBlock(KEY, value);
      const all = Array.from({ length: block.count }, (_, i) => i);
      const events = block.events(all);
      assert.deepEqual(
        plain(block.events(all.slice(0, 1))),
        plain(events.slice(0, 1)),
        'one event is as among all',
      );
      assert.deepEqual(codec.encodeBlock(KEY, events), value, 'it is encoded as it lay there');
      return events;
    },
  },
  kind(
    (chance) => ({ count: 1 + chance.below(1_024), recordBytes: number(chance) }),
    (value) => codec.decodeHead(KEY, value),
    ({ count, recordBytes }) => codec.encodeHead(KEY, count, recordBytes),
  ),
  kind(
    (chance): QueueEntry => ({
      indices: Array.from({ length: 40 }, (_, i) => i).filter((i) => i === 0 || chance.is(0.7)),
      first: chance.is(0.5) ? position(chance) : undefined,
      directives: [0, 3].map((from) => ({
        from,
        directive: {
          groups: chance.pick(['only', 'except'] as const),
          names: texts(chance),
          ...(chance.is(0.5) && { wanted: [{ node: 'n', groups: texts(chance) }] }),
          ...(chance.is(0.5) && { unknown: texts(chance) }),
          ...(chance.is(0.5) && { subscription: 'billing' }),
        },
      })),
    }),
    (value) => {
      const entry = codec.decodeEntry(KEY, value);
      const head = codec.decodeEntryHead(KEY, value);
      assert.deepEqual(head, { count: entry.indices.length, first: entry.first }, 'recovery sees the same');
      return entry;
    },
    (entry) => codec.encodeEntry(KEY, entry),
  ),
  {
    sample: (chance) => codec.encodeNumber(KEY, number(chance)),
    decode: (value) => codec.decodeEntryHead(KEY, value),
  },
  kind(
    position,
    (value) => codec.decodePosition(KEY, value),
    (value) => codec.encodePosition(KEY, value),
  ),
  kind(
    (chance) =>
      Array.from({ length: 1 + chance.below(4) }, () => ({ filter: chance.pick(['a', 'b/#']), group: '' })),
    (value) => codec.decodeRoutes(KEY, value),
    (value) => codec.encodeRoutes(KEY, value),
  ),
  kind(
    number,
    (value) => codec.decodeNumber(KEY, value),
    (value) => codec.encodeNumber(KEY, value),
  ),
  kind(
    (chance) => texts(chance).join('\n'),
    (value) => codec.decodeText(KEY, value),
    (value) => codec.encodeText(KEY, value),
  ),
  kind(
    (chance): Takeover => ({
      owner: 'n',
      isHeir: chance.is(0.5),
      claims: Array.from({ length: chance.below(3) }, () => ({
        from: chance.below(1_000),
        upTo: chance.below(1_000),
      })),
      upTo: chance.below(1_000),
      isDone: chance.is(0.5),
      theirs: [],
    }),
    (value) => codec.decodeTakeover(KEY, value),
    (value) => codec.encodeTakeover(KEY, value),
  ),
  kind(
    (chance) => ({
      name: 'billing',
      topic: 'orders/#',
      group: chance.is(0.5) ? 'g' : undefined,
      sink: chance.is(0.5) ? 'https://example.com/' : undefined,
      adoptedFrom: chance.is(0.5) ? 'n' : undefined,
      delivery: { ...DELIVERY_DEFAULTS, deadLetterTopic: chance.is(0.5) ? 'dead' : undefined },
    }),
    (value) => codec.decodeSubscription(KEY, value),
    (value) => codec.encodeSubscription(KEY, value),
  ),
  kind(
    (chance) => ({
      federation: 'acme',
      cluster: 'eu',
      node: '12D3KooW',
      incarnation: number(chance),
      addresses: texts(chance),
      http: '',
      labels: { zone: 'a' },
      version: '1',
      signature: 'x',
      ...(chance.is(0.5) && { heardFrom: 'peer' }),
    }),
    (value) => codec.decodeMember(KEY, value),
    (value) => codec.encodeMember(KEY, value),
  ),
];

export const target: Target = {
  name: 'journal-values',
  shape: 'bytes',
  bytesMax: 4_096,
  dictionary: ['{"delivery":{}}', '"labels":{}', '__proto__', 'null', Buffer.of(1, 0, 0, 0, 1)],
  sample: (chance) => {
    if (chance.is(0.1)) return Buffer.concat([Buffer.of(COPY_CONTENT), copyContent(chance)]);
    const which = chance.below(KINDS.length);
    return Buffer.concat([Buffer.of(which), (KINDS[which] ?? KINDS[0]).sample(chance)]);
  },
  quick: 12_000,
  run: (input) => {
    const first = input[0] ?? 0;
    const value = Buffer.from(input.subarray(1));
    checkKeys(value);
    if ((first & COPY_CONTENT) !== 0)
      return unlessRefused([CorruptionError], () => checkCopy(value)) !== undefined;
    if ((first & WRONG_CHECKSUM) !== 0)
      return unlessRefused([CorruptionError], () => unseal(KEY, value)) !== undefined;
    if (value.length >= 5) seal(KEY, value);
    const { decode, encode } = KINDS[(first & 0x3f) % KINDS.length] ?? KINDS[0];
    const decoded = unlessRefused([CorruptionError], () => decode(value));
    if (!decoded) return false;
    if (encode) assert.deepEqual(plain(decode(encode(decoded.value as never))), plain(decoded.value));
    return true;
  },
};

function copyContent(chance: Chance): Buffer {
  const ops: JournalOp[] = [
    { op: 'block', block: 1, events: storedEvents(1 + chance.below(3), { bytes: 8 }) },
    { op: 'entry', queue: 2, block: 1, entry: { indices: [0], first: undefined, directives: [] } },
    { op: 'queue', queue: 2, name: 's:billing' },
    { op: 'drop-entry', queue: 2, block: 1 },
    { op: 'drop-queue', queue: 2 },
  ];
  const [content = Buffer.alloc(0)] = encodeOps(
    ops.filter(() => chance.is(0.5)),
    64 * 1024,
  );
  return content;
}

/** Only what is copied is written into a copy: never what is a journal's own. */
function checkCopy(content: Buffer): void {
  for (const change of decodeContent(content))
    assert(change.type === 'drop-queue' || (change.key[0] ?? 0) > 1, 'a key that is copied');
}

/** As recovery reads keys back: any bytes, as long as they are in the range of their kind. */
function checkKeys(key: Buffer): void {
  const block = keys.blockOfHeadKey(key);
  if (block !== undefined && key[0] === 3) assert.deepEqual(keys.headKey(block), key);
  const queue = keys.queueOfKey(key);
  if (queue !== undefined && key[0] === 4) assert.deepEqual(keys.queueKey(queue), key);
  const entry = keys.partsOfEntryKey(key);
  if (entry && key[0] === 5) assert.deepEqual(keys.entryKey(entry.queue, entry.block), key);
  keys.partsOfMarkKey(key);
  keys.partsOfRoutesKey(key);
}
