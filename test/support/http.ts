// The HTTP server with its bridge before a front door in memory: without a socket (`inject`), or on a port of its own.

import type { TestContext } from 'node:test';
import { httpBridge } from '../../bridge/http/bridge.ts';
import type { StreamTiming } from '../../bridge/http/config.ts';
import type { Limits } from '../../node/core/limits.ts';
import { MeshError } from '../../node/core/errors.ts';
import { LIMITS } from '../../node/core/limits.ts';
import { deadLetterRoutes } from '../../node/http/dead-letters.ts';
import { overviewRoutes } from '../../node/http/overview.ts';
import type { HttpServer, HttpTiming } from '../../node/http/server.ts';
import { buildHttpServer, startHttpServer } from '../../node/http/server.ts';
import { FakeFrontDoor } from './front-door.ts';
import { fakeView } from './mesher-view.ts';

interface Given {
  readonly door?: FakeFrontDoor;
  readonly notReady?: readonly string[];
  readonly limits?: Partial<Limits>;
  readonly timing?: Partial<HttpTiming>;
  readonly streams?: Partial<StreamTiming>;
}

/** Of what shows the whole federation there are tests on real meshers. */
function notThere(): never {
  throw new MeshError('not-ready', 'there is no federation here');
}

function parts(given: Given) {
  const door = given.door ?? new FakeFrontDoor();
  const limits = { ...LIMITS, ...given.limits };
  const log = { warn: () => undefined, error: () => undefined };
  const clock = { wall: () => Date.now(), monotonic: () => performance.now() };
  const webhook = { origin: 'acme', publicUrl: undefined, ratePerMinute: undefined };
  const bridge = httpBridge(
    { limits, webhook, ...(given.streams && { timing: given.streams }) },
    { door, clock, random: () => 0.5, log },
  );
  return {
    door,
    options: {
      host: '127.0.0.1',
      port: 0,
      version: '0.1.0',
      limits,
      ...(given.timing && { timing: given.timing }),
    },
    ports: {
      view: fakeView(given.notReady),
      plugins: [bridge, overviewRoutes(notThere), deadLetterRoutes(notThere, limits)],
      log,
      process,
    },
  };
}

export async function buildTestServer(t: TestContext, given: Given = {}) {
  const { door, options, ports } = parts(given);
  const app = await buildHttpServer(options, ports);
  t.after(() => app.close());
  return { app, door };
}

export async function startTestServer(
  t: TestContext,
  given: Given = {},
): Promise<{ server: HttpServer; url: string; door: FakeFrontDoor }> {
  const { door, options, ports } = parts(given);
  const server = await startHttpServer(options, ports);
  t.after(() => server.close());
  return { server, url: server.url, door };
}
