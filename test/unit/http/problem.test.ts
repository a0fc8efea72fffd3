import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorCode } from '../../../node/core/errors.ts';
import { ERRORS, MeshError } from '../../../node/core/errors.ts';
import { meshErrorOf, problemOf, rawProblem, retryAfterOf } from '../../../node/http/problem.ts';
import { buildTestServer } from '../../support/http.ts';

test('every code of the catalogue is a problem with its status, and has a page', async (t) => {
  const { app } = await buildTestServer(t);
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const problem = problemOf(
      new MeshError(code, 'why', { details: { limit: 3, status: 99, code: 'spoofed' } }),
    );
    assert.deepEqual(
      [problem.status, problem.code, problem.detail, problem['limit']],
      [ERRORS[code].status, code, 'why', 3],
    );
    const page = await app.inject(problem.type);
    assert.equal(page.statusCode, 200);
    assert.equal(page.json<{ title: string }>().title, ERRORS[code].title);
  }
});

test('what helps later says when', () => {
  assert.equal(retryAfterOf(new MeshError('overloaded', '')), 1);
  assert.equal(retryAfterOf(new MeshError('overloaded', '', { details: { retryAfterMs: 2_500 } })), 3);
  assert.equal(retryAfterOf(new MeshError('disk-full', '')), 30);
  assert.equal(retryAfterOf(new MeshError('too-many-subscriptions', '')), 30);
  assert.equal(retryAfterOf(new MeshError('storage-failed', '')), undefined);
  assert.equal(retryAfterOf(new MeshError('invalid-event', '')), undefined);
});

test('a bug tells nothing of itself', () => {
  for (const bug of [
    new Error('secret'),
    new TypeError('secret'),
    'secret',
    undefined,
    null,
    { statusCode: 200 },
  ]) {
    const error = meshErrorOf(bug, 1);
    assert.equal(error.code, 'internal');
    assert.doesNotMatch(error.message, /secret/);
  }
});

test('what Node could not parse is answered in the same form', () => {
  for (const [code, status] of [
    ['HPE_HEADER_OVERFLOW', 431],
    ['ERR_HTTP_REQUEST_TIMEOUT', 408],
    ['HPE_INVALID_METHOD', 400],
  ] as const) {
    const [head = '', body = ''] = rawProblem({ code }).split('\r\n\r\n');
    assert.ok(head.startsWith(`HTTP/1.1 ${status} `));
    assert.match(head, new RegExp(`Content-Length: ${Buffer.byteLength(body)}`));
    assert.equal((JSON.parse(body) as { status: number }).status, status);
  }
});

test('unknown paths are 404, known ones with another method 405 with Allow', async (t) => {
  const { app } = await buildTestServer(t);
  const unknown = await app.inject('/v1/nothing');
  assert.equal(unknown.statusCode, 404);
  assert.equal(unknown.headers['content-type'], 'application/problem+json');
  for (const [method, url, allowed] of [
    ['GET', '/v1/events', /POST/],
    ['POST', '/v1/subscriptions/a', /GET.*PUT|PUT.*GET/],
    ['DELETE', '/metrics', /GET/],
  ] as const) {
    const response = await app.inject({ method, url });
    assert.equal(response.statusCode, 405, url);
    assert.match(String(response.headers.allow), allowed);
    assert.equal(response.json<{ code: string }>().code, 'method-not-allowed');
  }
});

test('a body of a type that a route does not take is 415, a URL that is none 400', async (t) => {
  const { app } = await buildTestServer(t);
  const body = await app.inject({
    method: 'POST',
    url: '/v1/subscriptions/a/pull',
    headers: { 'content-type': 'text/csv' },
    payload: 'a,b',
  });
  assert.deepEqual([body.statusCode, body.json<{ code: string }>().code], [415, 'unsupported-media-type']);
  const url = await app.inject('/v1/subscriptions/%ff');
  assert.equal(url.statusCode, 400);
  assert.equal(url.headers['content-type'], 'application/problem+json');
});
