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

test('a body of a type that a route does not take is 415, and told which it takes', async (t) => {
  const { app } = await buildTestServer(t);
  for (const type of ['text/csv', 'text/plain', 'application/x-www-form-urlencoded', 'nonsense']) {
    const response = await app.inject({
      method: 'PUT',
      url: '/v1/subscriptions/a',
      headers: { 'content-type': type },
      payload: '{"topic": "a"}',
    });
    const { code, detail } = response.json<{ code: string; detail: string }>();
    assert.deepEqual([response.statusCode, code], [415, 'unsupported-media-type'], type);
    assert.match(detail, /send content-type: application\/json/);
  }
});

test('a body that is not JSON is told where, and how to mend it', async (t) => {
  const { app } = await buildTestServer(t);
  for (const [payload, why] of [
    ['{"topic": "a",\n "group" "b"}', /line 2 column 10\).*double quotes/],
    ["{'topic': 'a'}", /position 1 /],
    ['{"topic": "a",}', /position 14 .*no comma after the last/],
    ['[1,]', /"\[1,\]".*no comma/],
    ['{"topic": "a"', /position 13/],
    ['\ufeff{"topic" "a"}', /position 9 /],
    ['', /the body is empty/],
    ['{"__proto__": {"topic": "a"}}', /__proto__/],
  ] as const) {
    const response = await app.inject({
      method: 'PUT',
      url: '/v1/subscriptions/a',
      headers: { 'content-type': 'application/json' },
      payload,
    });
    const { code, detail } = response.json<{ code: string; detail: string }>();
    assert.deepEqual([response.statusCode, code], [400, 'invalid-request'], payload);
    assert.match(detail, why);
  }
});

test('a URL that is none is 400', async (t) => {
  const { app } = await buildTestServer(t);
  const url = await app.inject('/v1/subscriptions/%ff');
  assert.equal(url.statusCode, 400);
  assert.equal(url.headers['content-type'], 'application/problem+json');
});
