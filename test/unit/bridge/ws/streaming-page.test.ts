// The frames that docs/streaming.md shows in hex are what it says they are.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  decodeClientFrame,
  encodePublish,
  encodeSettle,
  type RangeSettlement,
} from '../../../../bridge/ws/frames/client-frames.ts';
import { splitBatch } from '../../../../bridge/ws/frames/batch.ts';
import { decodeCloudEvent } from '../../../../node/wire/cloud-event-protobuf.ts';
import { encodeEvent } from '../../../../sdk/typescript/client.ts';

const page = readFileSync(join(import.meta.dirname, '../../../../docs/streaming.md'), 'utf8');

/** The bytes of the indented lines that follow `name` at the top of a block: pairs of hex digits, then what they mean. */
function shown(name: string): Buffer {
  const block = page.split('\n\n').find((each) => new RegExp(`^    [0-9a-f]{2} +${name}\n`).test(each));
  assert.ok(block !== undefined, `docs/streaming.md shows a ${name}`);
  const hex = block.split('\n').map((line) => /^ {4}((?:[0-9a-f]{2}(?: |$))*)/.exec(line)?.[1] ?? '');
  return Buffer.from(hex.join('').replaceAll(' ', ''), 'hex');
}

test('the PUBLISH of the page is its event in a frame, as the codec reads and writes it', () => {
  const text = /`(\{"specversion".*?\})`, with the topic `([^`]*)`/.exec(page);
  const attributes = JSON.parse(text?.[1] ?? '') as Parameters<typeof encodeEvent>[0];
  const frame = {
    request: 1,
    qos: 'durable',
    report: false,
    topics: [{ count: 1, topic: text?.[2] ?? '' }],
  } as const;
  const bytes = shown('PUBLISH');
  const decoded = decodeClientFrame(bytes);
  assert.ok(decoded.kind === 'publish');
  assert.deepEqual({ ...decoded, batch: undefined }, { kind: 'publish', ...frame, batch: undefined });
  const [event] = splitBatch(decoded.batch, 1);
  assert.equal(decodeCloudEvent(event ?? Buffer.of()).data?.value, JSON.stringify(attributes.data));
  assert.equal(
    bytes.toString('hex'),
    Buffer.from(encodePublish(frame, [encodeEvent(attributes)])).toString('hex'),
  );
});

test('the PUBLISH that asks for one replica begins as the page says', () => {
  const head = shown('PUBLISH, of which one copy will do');
  const topics = [{ count: 1, topic: 'orders/eu' }];
  const frame = { request: 2, qos: 'durable', report: false, replicas: 1, topics } as const;
  const rest = shown('PUBLISH').subarray(3);
  const decoded = decodeClientFrame(Buffer.concat([head, rest]));
  assert.ok(decoded.kind === 'publish');
  assert.deepEqual({ ...decoded, batch: undefined }, { kind: 'publish', ...frame, batch: undefined });
  assert.equal(
    Buffer.from(encodePublish({ ...frame, topics: [] }, []))
      .toString('hex')
      .slice(0, 8),
    head.toString('hex'),
  );
});

test('the SETTLE of the page names the deliveries that it says', () => {
  const settlements: RangeSettlement[] = [
    {
      kind: 'ack',
      ranges: [
        { first: 1, count: 5 },
        { first: 8, count: 1 },
      ],
    },
    { kind: 'retry', delayMs: 500, ranges: [{ first: 6, count: 2 }] },
  ];
  const bytes = shown('SETTLE');
  assert.deepEqual(decodeClientFrame(bytes), { kind: 'settle', stream: 1, request: 2, settlements });
  assert.equal(bytes.toString('hex'), Buffer.from(encodeSettle(1, 2, settlements)).toString('hex'));
});
