import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatTraceparent,
  isTracestate,
  parseTraceparent,
} from '../../../../node/observe/otel/trace-context.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';

test('reads the examples of W3C Trace Context §3.2', () => {
  const parsed = { traceId: TRACE, parentId: PARENT };
  assert.deepEqual(parseTraceparent(`00-${TRACE}-${PARENT}-01`), { ...parsed, sampled: true });
  assert.deepEqual(parseTraceparent(`00-${TRACE}-${PARENT}-00`), { ...parsed, sampled: false });
  assert.equal(parseTraceparent(`00-${TRACE}-${PARENT}-03`)?.sampled, true, 'other flags are no concern');
  assert.equal(parseTraceparent(`cc-${TRACE}-${PARENT}-01`)?.sampled, true, 'a later version');
  assert.equal(parseTraceparent(`cc-${TRACE}-${PARENT}-01-what-comes`)?.sampled, true);
});

test('what breaks a rule is no context', () => {
  const wrong = [
    '',
    `00-${TRACE}-${PARENT}`,
    `00-${TRACE}-${PARENT}-01-more`,
    `cc-${TRACE}-${PARENT}-01more`,
    `ff-${TRACE}-${PARENT}-01`,
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    `00-${'0'.repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE}-${PARENT}-0x`,
    ` 00-${TRACE}-${PARENT}-01`,
    `00-${TRACE}-${PARENT}-01,00-${TRACE}-${PARENT}-01`,
    `00-${TRACE}-${PARENT}-01\n`,
  ];
  for (const text of wrong) assert.equal(parseTraceparent(text), undefined, JSON.stringify(text));
});

const hex = (length: number) =>
  fc
    .uint8Array({ minLength: length / 2, maxLength: length / 2 })
    .map((bytes) => Buffer.from(bytes).toString('hex'));

test('what is formatted is read back, and nothing else is accepted', () => {
  const notZero = (text: string): boolean => /[^0]/.test(text);
  const context = fc.record(
    {
      traceId: hex(32).filter(notZero),
      parentId: hex(16).filter(notZero),
      sampled: fc.boolean(),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(context, (given) => {
      assert.deepEqual(parseTraceparent(formatTraceparent(given)), given);
    }),
  );
  fc.assert(
    fc.property(context, fc.nat({ max: 54 }), fc.string({ maxLength: 3 }), (given, at, put) => {
      const text = formatTraceparent(given);
      const changed = text.slice(0, at) + put + text.slice(at + 1);
      const parsed = parseTraceparent(changed);
      assert.equal(
        parsed !== undefined,
        /^(?!ff)[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}(-|$)/.test(changed) &&
          notZero(changed.slice(3, 35)) &&
          notZero(changed.slice(36, 52)) &&
          (changed.length === 55 || !changed.startsWith('00')),
      );
    }),
  );
});

test('a tracestate is passed on where it is a list of up to 32 members, each there once', () => {
  const right = [
    'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE',
    'a=1',
    'a=1, b=2',
    '1t@sys=x',
    'a=1,,b=2',
    'a= 1',
  ];
  for (const text of right) assert.ok(isTracestate(text), text);
  const many = (count: number): string => Array.from({ length: count }, (_, i) => `k${i}=v`).join(',');
  assert.ok(isTracestate(many(32)));
  const wrong = ['', ',', 'a', 'A=1', 'a=1,a=2', 'a=é', 'a=1=2', `a=${'x'.repeat(257)}`, many(33), 'a='];
  for (const text of wrong) assert.ok(!isTracestate(text), text);
  assert.ok(!isTracestate(many(32).padEnd(5_000, ' ')), 'longer than it may be');
});

// Some 6 ms for each of them before: an event may have one, and a batch thousands of events.
test('blanks within a tracestate are looked at once, not from each of them to the end', () => {
  const text = `a=b${' '.repeat(4_000)}c`;
  const began = performance.now();
  for (let i = 0; i < 20_000; i++) assert.ok(!isTracestate(text));
  assert.ok(performance.now() - began < 60_000);
});
