import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { PAYLOAD_BYTES_MIN, Payloads, randomFrom, SIZES } from '../../bench/harness/payloads.ts';
import { Requests } from '../../bench/http/requests.ts';
import { parseHttpMessage } from '../../../bridge/http/binding.ts';

suite('payloads', () => {
  test('are JSON of exactly the size asked for, as text and as bytes', () => {
    for (const bytes of [PAYLOAD_BYTES_MIN, 300, ...Object.values(SIZES)]) {
      const payloads = new Payloads({ bytes, distinct: 16 });
      for (const n of [0, 1, 15, 16, 1_000_003]) {
        assert.equal(payloads.text(n).length, bytes);
        assert.deepEqual(payloads.encoded(n), Buffer.from(payloads.text(n)));
        assert.deepEqual(Number((JSON.parse(payloads.text(n)) as { n: string }).n), n);
      }
    }
    assert.throws(() => new Payloads({ bytes: PAYLOAD_BYTES_MIN - 1 }), RangeError);
  });

  test('follow from the seed, and differ from each other and by it', () => {
    const [a, b, c] = [1, 1, 2].map((seed) => new Payloads({ bytes: 1024, seed, distinct: 64 }));
    assert.equal(a?.text(7), b?.text(7));
    assert.notEqual(a?.text(7), c?.text(7));
    assert.equal(new Set(Array.from({ length: 200 }, (_, n) => a?.text(n))).size, 200);
  });

  test('do not compress to nothing', () => {
    const payloads = new Payloads({ bytes: 1024 });
    const many = Array.from({ length: 64 }, (_, n) => payloads.text(n)).join('');
    const share = gzipSync(many).length / many.length;
    assert.ok(share > 0.15, `compressed to ${share}`);
  });

  test('are drawn from numbers that are the same for the same seed, and spread', () => {
    const [one, two] = [randomFrom(7), randomFrom(7)];
    const drawn = Array.from({ length: 1000 }, () => one());
    assert.deepEqual(
      drawn,
      Array.from({ length: 1000 }, () => two()),
    );
    assert.ok(drawn.every((each) => each >= 0 && each < 1));
    assert.ok(Math.abs(drawn.reduce((sum, each) => sum + each, 0) / 1000 - 0.5) < 0.05);
  });
});

suite('requests of the HTTP load', () => {
  for (const [mode, events] of [
    ['structured', 1],
    ['binary', 1],
    ['batch', 3],
  ] as const) {
    test(`in ${mode} mode each hold events that no other holds, and are what a mesher takes`, () => {
      const requests = new Requests({ mode, events, payloadBytes: 300, qos: 'durable', topic: 'a/b' });
      const ids = new Set<string>();
      for (let n = 0; n < 200; n++) {
        const text = requests.request(n).toString();
        const [head = '', body = ''] = text.split('\r\n\r\n');
        const [first, ...lines] = head.split('\r\n');
        assert.equal(first, 'POST /v1/events?topic=a%2Fb HTTP/1.1');
        const headers = lines.flatMap((line) => line.split(': ', 2));
        assert.equal(Number(headers[headers.indexOf('content-length') + 1]), Buffer.byteLength(body));
        const parsed = parseHttpMessage(headers, Buffer.from(body), { batchEventsMax: 10 });
        assert.equal(parsed.mode, mode);
        for (const { id, data } of parsed.events) {
          assert.equal(data?.type, 'text');
          const payload = JSON.parse(data.value) as { n: string };
          assert.equal(id, `e${payload.n}`);
          ids.add(id);
        }
      }
      assert.equal(ids.size, 200 * events);
    });
  }
});
