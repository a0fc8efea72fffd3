import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { MeshError } from '../../../node/core/errors.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import { DELIVERY_DEFAULTS, DELIVERY_RANGES, parseSubscription } from '../../../node/core/subscription.ts';

const parse = (body: unknown, name = 'billing') => parseSubscription(name, body, LIMITS);

test('defaults are filled in', () => {
  const expected = {
    name: 'billing',
    topic: 'orders/#',
    group: undefined,
    sink: undefined,
    adoptedFrom: undefined,
    delivery: DELIVERY_DEFAULTS,
  };
  assert.deepEqual(parse({ topic: 'orders/#' }), expected);
  assert.deepEqual(parse({ topic: 'orders/#', group: null, delivery: { retries: null } }), expected);
});

test('what is given is kept', () => {
  const delivery = {
    ackTimeoutMs: 100,
    retries: 0,
    backoffMs: 0,
    maxInFlight: 1,
    ordered: true,
    deadLetterTopic: 'dead/orders',
    queueEventsMax: 5,
    whenFull: 'drop-newest',
  };
  const body = { topic: '+/eu', group: 'g1', sink: 'https://example.com/hook?access_token=x', delivery };
  assert.deepEqual(parse(body), { name: 'billing', ...body, adoptedFrom: undefined });
});

suite('what is refused, with the place', () => {
  const cases: readonly [string, unknown, string, RegExp][] = [
    ['no body', undefined, '', /must be a JSON object, not nothing/],
    ['an array', [], '', /not an array/],
    ['no topic', {}, 'topic', /missing/],
    ['a topic that is no string', { topic: 1 }, 'topic', /must be a string, not 1/],
    ['an unknown key near a known one', { topic: 'a', snik: 'x' }, 'snik', /did you mean 'sink'/],
    [
      'an unknown key near none',
      { topic: 'a', colour: 'x' },
      'colour',
      /known are topic, group, sink, delivery/,
    ],
    [
      'an unknown delivery key',
      { topic: 'a', delivery: { retires: 1 } },
      'delivery.retires',
      /did you mean 'retries'/,
    ],
    ['a delivery that is no object', { topic: 'a', delivery: 3 }, 'delivery', /JSON object/],
    [
      'a fraction',
      { topic: 'a', delivery: { retries: 1.5 } },
      'delivery.retries',
      /whole number from 0 to 1000, not 1.5/,
    ],
    ['a number as text', { topic: 'a', delivery: { retries: '1' } }, 'delivery.retries', /not "1"/],
    ['ordered as text', { topic: 'a', delivery: { ordered: 'yes' } }, 'delivery.ordered', /true or false/],
    [
      'an unknown whenFull',
      { topic: 'a', delivery: { whenFull: 'block' } },
      'delivery.whenFull',
      /drop-oldest/,
    ],
    ['a group with a slash', { topic: 'a', group: 'a/b' }, 'group', /letters, digits/],
    ['a sink without scheme', { topic: 'a', sink: 'example.com' }, 'sink', /absolute http/],
    ['a sink of another scheme', { topic: 'a', sink: 'ftp://example.com' }, 'sink', /https or http/],
    ['a sink with a password', { topic: 'a', sink: 'https://u:p@example.com' }, 'sink', /password/],
    ['a sink with a fragment', { topic: 'a', sink: 'https://example.com/#a' }, 'sink', /fragment/],
    ['a sink of 5 kB', { topic: 'a', sink: `https://example.com/${'a'.repeat(5000)}` }, 'sink', /longer/],
  ];
  for (const [name, body, path, message] of cases) {
    test(name, () => {
      assert.throws(
        () => parse(body),
        (error) => {
          assert.ok(error instanceof MeshError);
          assert.equal(error.code, 'invalid-subscription');
          assert.equal(error.details['path'], path);
          return message.test(error.message);
        },
      );
    });
  }

  test('a malformed filter keeps its own code and position', () => {
    assert.throws(() => parse({ topic: 'a/#/b' }), {
      code: 'invalid-filter',
      message: /^topic: filter "a\/#\/b", character 3/,
    });
    assert.throws(() => parse({ topic: 'a', delivery: { deadLetterTopic: 'a/+' } }), {
      code: 'invalid-topic',
      message: /^delivery\.deadLetterTopic: /,
    });
    assert.throws(() => parse({ topic: '$internal' }), { code: 'invalid-filter' });
  });

  test('names that are none', () => {
    for (const name of ['', '-a', 'a/b', '$dead-letters', 'a'.repeat(129), 'ä', 'a b', 'a\n'])
      assert.throws(() => parse({ topic: 'a' }, name), { code: 'invalid-subscription' }, name);
    for (const name of ['a', '1', 'a.b_c~d-e', 'a'.repeat(128)]) parse({ topic: 'a' }, name);
  });
});

test('each number is accepted at both ends of its range, and refused beyond', () => {
  for (const [key, { min, max }] of Object.entries(DELIVERY_RANGES)) {
    for (const value of [min, max]) parse({ topic: 'a', delivery: { [key]: value } });
    for (const value of [min - 1, max + 1, NaN, Infinity])
      assert.throws(
        () => parse({ topic: 'a', delivery: { [key]: value } }),
        { code: 'invalid-subscription' },
        `${key} ${value}`,
      );
  }
});

test('whatever the body, parsing answers with a subscription or a MeshError', () => {
  const keys = fc.constantFrom('topic', 'group', 'sink', 'delivery', '__proto__', 'constructor', 'toString');
  const body = fc.oneof(
    fc.anything(),
    fc.dictionary(
      keys,
      fc.oneof(
        fc.anything(),
        fc.constant('a/b'),
        fc.dictionary(fc.constantFrom(...Object.keys(DELIVERY_DEFAULTS), '__proto__'), fc.anything()),
      ),
    ),
  );
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.constant('ok')), body, (name, given) => {
      try {
        parse(given, name);
      } catch (error) {
        assert.ok(error instanceof MeshError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
