import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { buildTestServer } from '../../support/http.ts';

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly parameters?: readonly { name: string; in: string; required?: boolean; schema?: object }[];
  readonly requestBody?: { content: Record<string, { schema?: object }> };
  readonly responses: Record<string, { description?: string; content?: Record<string, { schema?: object }> }>;
}
interface Document {
  readonly openapi: string;
  readonly info: { title: string; version: string };
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { schemas: Record<string, unknown> };
}

function* nodes(value: unknown): Generator<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield value as Record<string, unknown>;
  for (const each of Object.values(value)) yield* nodes(each);
}

suite('/openapi.json', () => {
  test('has every route of the issue, each with its answers', async (t) => {
    const { app } = await buildTestServer(t);
    const { paths, openapi } = (await app.inject('/openapi.json')).json<Document>();
    assert.match(openapi, /^3\.1\./);
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const wanted = [
      'POST /v1/events',
      'GET /v1/subscriptions',
      'PUT /v1/subscriptions/{name}',
      'GET /v1/subscriptions/{name}',
      'DELETE /v1/subscriptions/{name}',
      'GET /v1/subscriptions/{name}/events',
      'GET /v1/trace',
      'POST /v1/subscriptions/{name}/pull',
      'POST /v1/subscriptions/{name}/settle',
      'GET /v1/stream',
      'GET /v1/federation',
      'GET /v1/ledger',
      'GET /v1/links',
      'GET /v1/queues',
      'GET /v1/routes',
      'GET /v1/overview',
      'GET /v1/overview/stream',
      'GET /v1/overview/history',
      'GET /v1/dead-letters',
      'GET /v1/dead-letters/{mesher}/{token}',
      'POST /v1/dead-letters/redrive',
      'POST /v1/dead-letters/drop',
      'GET /healthz',
      'GET /readyz',
      'GET /metrics',
      'GET /openapi.json',
      'GET /errors/{code}',
      'GET /v1/webhooks/{key}',
      'POST /v1/webhooks/{key}',
    ];
    assert.deepEqual(operations.sort(), wanted.sort());
  });

  test('holds together: references resolve, ids are unique, parameters are declared, answers described', async (t) => {
    const { app } = await buildTestServer(t);
    const document = (await app.inject('/openapi.json')).json<Document>();
    for (const node of nodes(document)) {
      if (typeof node['$ref'] !== 'string') continue;
      const target = node['$ref']
        .replace(/^#\//, '')
        .split('/')
        .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], document);
      assert.ok(target, `${node['$ref']} leads nowhere`);
    }
    const ids = new Set<string>();
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        const where = `${method} ${path}`;
        assert.ok(
          operation.operationId !== undefined && !ids.has(operation.operationId),
          `${where}: operationId`,
        );
        ids.add(operation.operationId);
        assert.ok(operation.summary, `${where}: summary`);
        const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
        const declared = (operation.parameters ?? []).filter((each) => each.in === 'path');
        assert.deepEqual(
          declared.map(({ name }) => name),
          inPath,
          where,
        );
        for (const parameter of operation.parameters ?? [])
          assert.ok(parameter.schema, `${where}: ${parameter.name}`);
        for (const parameter of declared) assert.equal(parameter.required, true);
        for (const [status, response] of Object.entries(operation.responses)) {
          assert.ok(response.description, `${where} ${status}: description`);
          if (Number(status) < 400) continue;
          assert.deepEqual(
            Object.keys(response.content ?? {}),
            ['application/problem+json'],
            `${where} ${status}`,
          );
        }
      }
    }
  });

  test('shows the three ways to publish', async (t) => {
    const { app } = await buildTestServer(t);
    const { paths } = (await app.inject('/openapi.json')).json<Document>();
    const body = paths['/v1/events']?.['post']?.requestBody;
    assert.deepEqual(Object.keys(body?.content ?? {}), [
      'application/cloudevents+json',
      'application/cloudevents-batch+json',
      '*/*',
    ]);
    assert.ok(
      ['202', '400', '413', '415', '503', '507'].every(
        (status) => status in (paths['/v1/events']?.['post']?.responses ?? {}),
      ),
    );
  });
});

test('/docs takes nothing from elsewhere', async (t) => {
  const { app } = await buildTestServer(t);
  const page = await app.inject('/docs/');
  assert.equal(page.statusCode, 200);
  const links = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');
  assert.ok(links.length > 0 && links.every((link) => link.startsWith('./')), links.join(' '));
  for (const link of links) assert.equal((await app.inject(`/docs/${link.slice(2)}`)).statusCode, 200, link);
});
