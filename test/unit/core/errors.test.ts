import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorFacts, ERRORS, invariant, MeshError } from '../../../node/core/errors.ts';

for (const [code, facts] of Object.entries<ErrorFacts>(ERRORS)) {
  test(`${code} has facts that fit each other`, () => {
    assert.match(code, /^[a-z]+(-[a-z]+)*$/);
    assert.match(facts.title, /^[A-Z].*[^.]$/);
    assert.ok(facts.status >= 400 && facts.status < 600);
    // a client that sent something wrong must not be told to send it again; an outage must not be called its fault
    const outside = facts.status >= 500 || facts.status === 408;
    if (facts.exit === 4) assert.ok(outside, 'a failure of something outside is no fault of the request');
    if (facts.status === 503 || facts.status === 507) assert.ok(facts.retryable);
    if (facts.status === 429) assert.ok(facts.retryable);
    if ([400, 404, 405, 413, 415].includes(facts.status)) assert.equal(facts.retryable, false);
  });
}

test('an error carries its code’s facts, its details and its cause', () => {
  const cause = new Error('socket');
  const error = new MeshError('registry-unavailable', 'the registry does not answer', {
    cause,
    details: { address: 'x' },
  });
  assert.equal(error.facts, ERRORS['registry-unavailable']);
  assert.equal(error.cause, cause);
  assert.deepEqual(error.details, { address: 'x' });
  assert.equal('cause' in new MeshError('internal', 'x'), false);
});

test('a broken invariant is a plain error: a bug, not an operating failure', () => {
  invariant(true, 'holds');
  assert.throws(
    () => {
      invariant(0, 'counts fit');
    },
    (error) =>
      error instanceof Error &&
      !(error instanceof MeshError) &&
      error.message === 'invariant broken: counts fit',
  );
});
