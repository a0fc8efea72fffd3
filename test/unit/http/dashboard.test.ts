import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { dashboardRoutes } from '../../../node/http/dashboard.ts';
import { buildHttpServer } from '../../../node/http/server.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import { fakeView } from '../../support/mesher-view.ts';

const INDEX = '<!doctype html><title>Causeway</title>';

async function serverOf(t: TestContext, folder: string) {
  const app = await buildHttpServer(
    { host: '127.0.0.1', port: 0, version: '0.1.0', limits: LIMITS },
    {
      view: fakeView(),
      plugins: [async (server) => server.register(dashboardRoutes, { folder })],
      log: { error: () => undefined },
    },
  );
  t.after(() => app.close());
  return app;
}

async function builtPage(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-page-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'assets'));
  await writeFile(join(folder, 'index.html'), INDEX);
  await writeFile(join(folder, 'assets', 'index-abc123.js'), 'export {};');
  await writeFile(join(folder, 'notes.txt'), 'of no type that a page has');
  return folder;
}

suite('the dashboard', () => {
  test('is at /, asked for anew each time, and may do nothing beyond its origin', async (t) => {
    const app = await serverOf(t, await builtPage(t));
    const { statusCode, headers, body } = await app.inject('/');
    assert.equal(statusCode, 200);
    assert.equal(body, INDEX);
    assert.equal(headers['content-type'], 'text/html; charset=utf-8');
    assert.equal(headers['cache-control'], 'no-cache');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    const policy = String(headers['content-security-policy']);
    assert.match(policy, /default-src 'none'; script-src 'self';/);
    assert.doesNotMatch(policy, /unsafe|\*|data:|https?:/);
    assert.match(policy, /frame-ancestors 'none'/);
  });

  test('its hashed files are kept for ever, packed where the client can unpack, and not sent twice', async (t) => {
    const app = await serverOf(t, await builtPage(t));
    const url = '/assets/index-abc123.js';
    const plain = await app.inject(url);
    assert.equal(plain.headers['cache-control'], 'public, max-age=31536000, immutable');
    assert.equal(plain.headers['content-type'], 'text/javascript; charset=utf-8');
    const packed = await app.inject({ url, headers: { 'accept-encoding': 'br, gzip' } });
    assert.equal(packed.headers['content-encoding'], 'gzip');
    assert.equal(gunzipSync(packed.rawPayload).toString(), 'export {};');
    const again = await app.inject({ url, headers: { 'if-none-match': String(plain.headers.etag) } });
    assert.deepEqual([again.statusCode, again.body], [304, '']);
    assert.equal((await app.inject({ url, method: 'HEAD' })).statusCode, 200);
  });

  test('what it does not have is a problem, and nothing outside of its folder can be asked for', async (t) => {
    const app = await serverOf(t, await builtPage(t));
    for (const url of [
      '/assets/gone.js',
      '/notes.txt',
      '/assets/../../package.json',
      '/assets/..%2findex.html',
    ]) {
      const { statusCode, headers } = await app.inject(url);
      assert.deepEqual([statusCode, headers['content-type']], [404, 'application/problem+json'], url);
    }
    const posted = await app.inject({ url: '/', method: 'POST' });
    assert.equal(posted.json<{ code: string }>().code, 'method-not-allowed');
  });

  test('says what to do where it was not built, and the API works all the same', async (t) => {
    const app = await serverOf(t, join(tmpdir(), 'causeway-no-such-folder'));
    const { statusCode, body } = await app.inject('/');
    assert.equal(statusCode, 503);
    assert.match(body, /npm run dashboard/);
    assert.equal((await app.inject('/healthz')).statusCode, 200);
  });

  test('is no part of the described API', async (t) => {
    const app = await serverOf(t, await builtPage(t));
    const { paths } = (await app.inject('/openapi.json')).json<{ paths: Record<string, unknown> }>();
    assert.deepEqual(
      Object.keys(paths).filter((path) => path === '/' || path.startsWith('/assets')),
      [],
    );
  });
});
