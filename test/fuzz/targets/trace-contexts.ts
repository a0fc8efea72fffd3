// What publishers say of their traces: an event's bytes, in which a context is looked for, and the three headers. Nothing that is taken has ids
// that are none; the quick look never misses what the decoder finds.

import assert from 'node:assert/strict';
import { contextOfSw8, parseSw8 } from '../../../node/observe/otel/skywalking.ts';
import { lookForContext } from '../../../node/observe/otel/context-scan.ts';
import {
  formatTraceparent,
  isTracestate,
  parseTraceparent,
} from '../../../node/observe/otel/trace-context.ts';
import { contextOf, Tracer } from '../../../node/observe/otel/traced-event.ts';
import { decodeCloudEvent, encodeCloudEvent } from '../../../node/wire/cloud-event-protobuf.ts';
import { WireError } from '../../../node/wire/wire-error.ts';
import { Choices, piece, type Target, unlessRefused } from '../target.ts';

const TRACEPARENTS = [
  '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00',
  'cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more',
];
const TRACESTATES = ['rojo=00f067aa0ba902b7,congo=t61rcWkgMzE', '1t@sys=x, a=1', 'a=1'];
const SW8 = [
  '1-My40LjU=-MS4yLjM=-4-c2VydmljZQ==-aW5zdGFuY2U=-L2FwcA==-MTI3LjAuMC4xOjgwODA=',
  `0-${Buffer.from('de5980b8fce34a37aab9b4ac3af7eedd.1.16563474296430001').toString('base64')}-MS4yLjM=-0-cw==-aQ==-Lw==-YQ==`,
];

export const target: Target = {
  name: 'trace-contexts',
  shape: 'bytes',
  bytesMax: 4_096,
  dictionary: [
    'traceparent',
    'tracestate',
    'sw8',
    '-01',
    '-00',
    '00-',
    'ff-',
    '=',
    ',',
    '@',
    ...TRACEPARENTS,
    ...SW8,
  ],
  sample: (chance) => {
    const text = (value: string) => ({ type: 'string' as const, value });
    const attributes = new Map([
      ['subject', text('x')],
      ...(chance.below(2) === 0 ? [['traceparent', text(chance.pick(TRACEPARENTS))] as const] : []),
      ...(chance.below(2) === 0 ? [['sw8', text(chance.pick(SW8))] as const] : []),
    ]);
    const event = { id: '1', source: '/s', type: 't', attributes, data: undefined };
    return Buffer.concat([
      piece(chance.pick(TRACEPARENTS)),
      piece(chance.pick(TRACESTATES)),
      piece(chance.pick(SW8)),
      encodeCloudEvent(event),
    ]);
  },
  quick: 20_000,
  run: (input) => {
    const choices = new Choices(input);
    const [traceparent, tracestate, sw8] = Array.from({ length: 3 }, () => choices.piece().toString());
    checkHeaders(traceparent ?? '', tracestate ?? '', sw8 ?? '');
    return checkEvent(choices.rest());
  },
};

function checkHeaders(traceparent: string, tracestate: string, sw8: string): void {
  const parent = parseTraceparent(traceparent);
  if (parent) {
    const { parentId = '' } = parent;
    assert.deepEqual(parseTraceparent(formatTraceparent({ ...parent, parentId })), parent);
  }
  if (isTracestate(tracestate)) assert.match(tracestate, /^[\x20-\x7e\t]+$/, 'it may go out as a header');
  const read = parseSw8(sw8);
  if (!read) return;
  assert.match(sw8, /^[\x21-\x7e]+$/, 'it may go out as a header');
  const context = contextOfSw8(read);
  assert.deepEqual(parseTraceparent(formatTraceparent(context)), context);
}

function checkEvent(bytes: Uint8Array): boolean {
  const sight = lookForContext(bytes);
  const found = new Tracer(0, () => undefined).findNew({
    topic: 't',
    expiresAt: 0,
    key: '',
    hash: 0,
    cloudEvent: bytes,
  });
  const event = unlessRefused([WireError], () => decodeCloudEvent(bytes));
  if (!event) {
    assert.equal(found, undefined);
    return false;
  }
  const context = contextOf(event.value, () => undefined);
  if (context && sight === 'none') assert.fail('a context was overlooked');
  if (found) assert.equal(context?.sampled, true);
  return true;
}
