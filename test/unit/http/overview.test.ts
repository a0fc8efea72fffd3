import assert from 'node:assert/strict';
import { test } from 'node:test';
import Fastify from 'fastify';
import { overviewRoutes } from '../../../node/http/overview.ts';

test('a stream is for GET alone: one without a body would keep the place of a watcher', async (t) => {
  const app = Fastify();
  t.after(() => app.close());
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.addSchema({ $id: 'Problem', type: 'object' });
  const unused = (): Promise<never> => Promise.reject(new Error('not asked for'));
  await app.register(
    overviewRoutes(() => ({
      overview: unused,
      history: unused,
      watch: () => assert.fail('nobody watches'),
    })),
  );
  assert.equal((await app.inject({ method: 'HEAD', url: '/v1/overview/stream' })).statusCode, 404);
});
