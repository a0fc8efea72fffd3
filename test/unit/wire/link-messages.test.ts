import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NO_GROUPS } from '../../../node/core/event.ts';
import { encodeRecord } from '../../../node/core/event-record.ts';
import type { LinkMessage } from '../../../node/core/messages.ts';
import { ByteWriter } from '../../../node/wire/byte-writer.ts';
import { decodeMessage, encodeMessage } from '../../../node/wire/link-messages.ts';
import { WireError, type WireReason } from '../../../node/wire/wire-error.ts';
import { linkMessage, storedEvent } from './arbitraries.ts';

const KIND = {
  hello: 1,
  laneOpen: 2,
  data: 4,
  bestEffort: 7,
  ping: 8,
  heads: 10,
  bucketPull: 14,
  buckets: 15,
};

test('every message comes back as it was sent', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(linkMessage, (message) => {
      seen.add(message.kind);
      assert.deepEqual(plain(decodeMessage(encodeMessage(message))), plain(message));
    }),
    { numRuns: 2000 },
  );
  assert.equal(seen.size, 24, 'all kinds were drawn');
});

test('an encoding is the only one of its message', () => {
  fc.assert(
    fc.property(linkMessage, (message) => {
      const bytes = encodeMessage(message);
      assert.deepEqual(Buffer.from(encodeMessage(decodeMessage(bytes))), Buffer.from(bytes));
    }),
  );
});

test('an event arrives as a view of the frame, with the bytes it entered the mesh with', () => {
  fc.assert(
    fc.property(storedEvent, (event) => {
      const bytes = encodeMessage({
        kind: 'best-effort',
        scope: 'peer',
        events: [{ event, directive: NO_GROUPS }],
      });
      const message = decodeMessage(bytes);
      assert(message.kind === 'best-effort');
      const arrived = message.events[0]?.event;
      assert(arrived);
      assert.deepEqual(Buffer.from(arrived.record), Buffer.from(event.record));
      assert.equal(arrived.record.buffer, bytes.buffer);
      assert.equal(arrived.cloudEvent.buffer, bytes.buffer);
    }),
  );
});

test('events that share a directive pay for it once', () => {
  const event = anEvent();
  const directive = { groups: 'only' as const, names: ['a-group-with-a-long-name/orders/+/eu'] };
  const sizeOf = (count: number): number =>
    encodeMessage({
      kind: 'best-effort',
      scope: 'peer',
      events: Array.from({ length: count }, () => ({ event, directive: { ...directive } })),
    }).length;
  assert.equal(sizeOf(100) - sizeOf(99), event.record.length + 1);
  const message = decodeMessage(
    encodeMessage({
      kind: 'best-effort',
      scope: 'peer',
      events: [
        { event, directive },
        { event, directive },
      ],
    }),
  );
  assert(message.kind === 'best-effort');
  assert.equal(message.events[0]?.directive, message.events[1]?.directive, 'one object for the run');
});

test('random bytes are refused or are a message, and nothing else happens', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 16 }), fc.uint8Array({ maxLength: 300 }), (kind, rest) => {
      onlyWireErrors(Buffer.concat([Buffer.of(kind), rest]));
    }),
    { numRuns: 20_000 },
  );
});

test('mutated messages are refused or are a message, and nothing else happens', () => {
  const mutation = fc.tuple(
    fc.nat(),
    fc.constantFrom('flip', 'cut', 'insert', 'large'),
    fc.nat({ max: 255 }),
  );
  fc.assert(
    fc.property(linkMessage, fc.array(mutation, { minLength: 1, maxLength: 4 }), (message, mutations) => {
      let bytes = Buffer.from(encodeMessage(message));
      for (const [where, what, value] of mutations) {
        const at = where % (bytes.length + 1);
        const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
        if (what === 'flip') bytes = Buffer.concat([head, Buffer.of(value), tail.subarray(1)]);
        else if (what === 'cut') bytes = Buffer.concat([head, tail.subarray(1 + (value % 16))]);
        else if (what === 'insert') bytes = Buffer.concat([head, Buffer.of(value), tail]);
        else bytes = Buffer.concat([head, Buffer.of(0xff, 0xff, 0xff, 0xff, 0x7f), tail]);
      }
      onlyWireErrors(bytes);
    }),
    { numRuns: 10_000 },
  );
});

test('every cut of a message is refused', () => {
  fc.assert(
    fc.property(linkMessage, (message) => {
      const bytes = encodeMessage(message);
      for (let length = 0; length < bytes.length; length++)
        assert.throws(() => decodeMessage(bytes.subarray(0, length)), WireError);
    }),
    { numRuns: 200 },
  );
});

test('ten million entries in a small frame are refused before anything is made for them', () => {
  const tenMillion = 10_000_000;
  const version = (writer: ByteWriter): void => {
    writer.text('n');
    writer.uint(1);
    writer.uint(1);
  };
  refuses('too-many', (writer) => {
    writer.byte(KIND.heads);
    writer.byte(0);
    writer.uint(tenMillion);
  });
  refuses('too-many', (writer) => {
    writer.byte(KIND.bucketPull);
    version(writer);
    writer.uint(tenMillion);
  });
  refuses('too-many', (writer) => {
    writer.byte(KIND.buckets);
    version(writer);
    writer.uint(1);
    writer.uint(0);
    writer.uint(tenMillion);
  });
  refuses('too-many', (writer) => {
    writer.byte(KIND.bestEffort);
    writer.byte(0);
    writer.uint(tenMillion);
  });
  refuses('cut-short', (writer) => {
    writer.byte(KIND.heads);
    writer.byte(0);
    writer.uint(16_000);
  });
  refuses(
    'cut-short',
    (writer) => {
      writer.byte(KIND.hello);
      writer.uint(tenMillion);
    },
    'too-long',
  );
});

test('many group names in many runs are bounded over the whole frame', () => {
  refuses('too-many', (writer) => {
    writer.byte(KIND.bestEffort);
    writer.byte(0);
    writer.uint(2);
    writer.uint(2);
    for (let run = 0; run < 2; run++) {
      writer.uint(1);
      writer.byte(0);
      writer.uint(40_000);
      for (let i = 0; i < 40_000; i++) writer.text('');
    }
    for (let i = 0; i < 100; i++) writer.byte(0);
  });
});

test('the worst frame of the largest size is refused or decoded in little time', () => {
  const frameBytes = 4 * 1024 * 1024;
  for (const kind of Array.from({ length: 15 }, (_, index) => index + 1)) {
    for (const fill of [0x00, 0x01, 0x7f]) {
      const bytes = Buffer.alloc(frameBytes, fill);
      bytes[0] = kind;
      const started = performance.now();
      onlyWireErrors(bytes);
      assert(performance.now() - started < 60_000, `kind ${kind} of ${fill}`);
    }
  }
});

test('malformed values are refused with their reason', () => {
  refuses('unknown-kind', (writer) => writer.byte(0));
  refuses('unknown-kind', (writer) => writer.byte(25));
  refuses('bad-number', (writer) => {
    writer.byte(KIND.ping);
    writer.f64(Number.NaN);
  });
  refuses('trailing-bytes', (writer) => {
    writer.byte(KIND.ping);
    writer.f64(1);
    writer.byte(0);
  });
  refuses('bad-value', (writer) => {
    writer.byte(KIND.laneOpen);
    writer.byte(3);
  });
  refuses('bad-number', (writer) => {
    writer.byte(KIND.laneOpen);
    writer.byte(1);
    writer.uint(1024);
  });
  refuses('bad-number', (writer) => {
    writer.byte(KIND.laneOpen);
    writer.byte(1);
    writer.byte(0x80); // zero, in two bytes
    writer.byte(0x00);
  });
  refuses('bad-number', (writer) => {
    writer.byte(KIND.laneOpen);
    writer.byte(1);
    writer.uint(1);
    for (let i = 0; i < 9; i++) writer.byte(0xff);
  });
  refuses('bad-text', (writer) => {
    writer.byte(KIND.hello);
    writer.bytes(Buffer.of(0xc3, 0x28));
  });
  refuses('bad-record', (writer) => {
    writer.byte(KIND.bestEffort);
    writer.byte(0);
    writer.uint(1);
    writer.uint(1);
    writer.uint(1);
    writer.byte(0);
    writer.uint(0);
    writer.bytes(Buffer.alloc(60, 9));
  });
});

test('runs that do not cover the events are refused', () => {
  for (const length of [0, 2]) {
    assert.throws(() => {
      const writer = new ByteWriter();
      writer.byte(KIND.bestEffort);
      writer.byte(0);
      writer.uint(1);
      writer.uint(1);
      writer.uint(length);
      writer.byte(0);
      writer.uint(0);
      writer.bytes(anEvent().record);
      decodeMessage(writer.finish());
    }, WireError);
  }
  refuses('bad-value', (writer) => {
    writer.byte(KIND.bestEffort);
    writer.byte(0);
    writer.uint(1);
    writer.uint(0);
    writer.bytes(anEvent().record);
  });
});

test('a link of an older version has none of the messages that came later', () => {
  const later = encodeMessage({ kind: 'copy-open', incarnation: 1 });
  assert.equal(decodeMessage(later, undefined, 2).kind, 'copy-open');
  assert.throws(
    () => decodeMessage(later, undefined, 1),
    (error) => error instanceof WireError && error.reason === 'unknown-kind',
  );
  const known = encodeMessage({ kind: 'ping', sentAt: 1 });
  assert.equal(decodeMessage(known, undefined, 1).kind, 'ping');
});

test('the replacement character itself may be sent', () => {
  const hello: LinkMessage = { kind: 'hello', federation: '\ufffd', cluster: 'ä', incarnation: 1 };
  assert.deepEqual(decodeMessage(encodeMessage(hello)), hello);
});

test('a number that is no unsigned integer is a bug of the sender', () => {
  for (const incarnation of [-1, 1.5, 2 ** 53, Number.NaN]) {
    assert.throws(
      () => encodeMessage({ kind: 'hello', federation: 'f', cluster: 'c', incarnation }),
      /invariant/,
    );
  }
});

function anEvent(): ReturnType<typeof encodeRecord> {
  return encodeRecord(
    { topic: 'a/b', expiresAt: 0, key: '', hash: 1, cloudEvent: Buffer.from('event') },
    { origin: 'n', incarnation: 1, sequence: 1, acceptedAt: 1, path: ['c'], deadLetter: undefined },
  );
}

function refuses(
  reason: WireReason,
  write: (writer: ByteWriter) => void,
  instead: WireReason = reason,
): void {
  const writer = new ByteWriter();
  write(writer);
  assert.throws(
    () => decodeMessage(writer.finish()),
    (error) => error instanceof WireError && (error.reason === reason || error.reason === instead),
  );
}

function onlyWireErrors(bytes: Uint8Array): void {
  try {
    decodeMessage(bytes);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
  }
}

/** Byte arrays of one class, so that views and copies compare by content. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  return value;
}
