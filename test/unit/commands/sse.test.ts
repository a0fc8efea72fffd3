import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SseParser } from '../../../node/commands/sse.ts';
import type { ServerSentEvent } from '../../../node/commands/sse.ts';

function parse(text: string | Uint8Array, cuts: readonly number[] = []): ServerSentEvent[] {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const parser = new SseParser();
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return at.slice(1).flatMap((end, index) => parser.push(bytes.subarray(at[index], end)));
}

test('reads id, type and data, and keeps the last id', () => {
  const text = ': hello\n\nid: 1\nevent: closed\ndata: {"a":\ndata: 1}\n\ndata:x\n\nid\ndata\n\n';
  assert.deepEqual(parse(text), [
    { type: 'closed', data: '{"a":\n1}', id: '1' },
    { type: 'message', data: 'x', id: '1' },
    { type: 'message', data: '', id: '' },
  ]);
});

test('takes the pause that the server asks for', () => {
  const parser = new SseParser();
  assert.deepEqual(parser.push(Buffer.from('retry: 1500\n\n')), []);
  assert.equal(parser.retryMs, 1_500);
});

test('gives out no event that the stream did not end', () => {
  assert.deepEqual(parse('data: half\n'), []);
});

test('gives out an event at its last CR, without waiting for what follows', () => {
  assert.equal(parse('data: x\r\r').length, 1);
});

test('reads what was written, however it is cut and whatever ends its lines', () => {
  const line = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll(/[\r\n\0]/g, ''));
  const event = fc.record({ data: fc.array(line, { minLength: 1, maxLength: 4 }), id: line, type: line });
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 5 }),
      fc.constantFrom('\n', '\r\n', '\r'),
      fc.array(fc.nat(), { maxLength: 40 }),
      (events, end, cuts) => {
        const text = events
          .map(({ data, id, type }) =>
            [`id: ${id}`, `event: ${type}`, ...data.map((each) => `data: ${each}`), '', ''].join(end),
          )
          .join('');
        const wanted = events.map(({ data, id, type }) => ({
          type: type || 'message',
          data: data.join('\n'),
          id,
        }));
        assert.deepEqual(parse(text, cuts), wanted);
      },
    ),
  );
});

test('reads any bytes the same way however they are cut', () => {
  const bytes = fc.uint8Array({ maxLength: 200 });
  const likely = fc
    .array(fc.constantFrom('data', ':', ' ', 'id', '\r', '\n', 'x', '\ufeff'))
    .map((parts) => Buffer.from(parts.join('')));
  fc.assert(
    fc.property(fc.oneof(bytes, likely), fc.array(fc.nat(), { maxLength: 20 }), (input, cuts) => {
      assert.deepEqual(parse(input, cuts), parse(input));
    }),
  );
});

test('refuses an event that never ends', () => {
  const parser = new SseParser();
  const chunk = Buffer.alloc(8 * 1024 * 1024, 'x');
  assert.throws(() => {
    for (let i = 0; i < 10; i++) parser.push(chunk);
  }, /larger than/);
});
