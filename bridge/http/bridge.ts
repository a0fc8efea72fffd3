// The HTTP bridge: CloudEvents in and out of the mesh by HTTP, as a Fastify plugin for the mesher's server. Holds open
// streams and webhook sinks, nothing durable. Closing the server ends both: streams are told, events go back.

import type { FastifyPluginAsync } from 'fastify';
import type { Clock, FrontDoor, Random, TraceCarrier } from '../../node/core/ports.ts';
import type { HttpBridgeOptions } from './config.ts';
import { SINK_CONCURRENCY_MAX } from './config.ts';
import { publishRoutes } from './publish-routes.ts';
import { streamRoutes } from './stream-routes.ts';
import { subscriptionRoutes } from './subscription-routes.ts';
import { WebhookSinks } from './webhook.ts';
import { createSinkClient } from './webhook-client.ts';
import { webhookRoutes } from './webhook-routes.ts';
import type { SinkClient } from './webhook-client.ts';
import type { Timers } from './webhook-sink.ts';

export interface HttpBridgePorts {
  readonly door: FrontDoor;
  readonly clock: Clock;
  readonly random: Random;
  /** pino's shape. */
  readonly log: { warn(fields: object, message: string): void };
  /** Left out: trace contexts are not carried. */
  readonly trace?: TraceCarrier | undefined;
  /** Left out: real ones. */
  readonly timers?: Timers;
  readonly sinkClient?: SinkClient;
}

export function httpBridge(options: HttpBridgeOptions, ports: HttpBridgePorts): FastifyPluginAsync {
  return async (app) => {
    const { door, log } = ports;
    const sinks = new WebhookSinks(options.webhook, {
      ...ports,
      timers: ports.timers ?? realTimers,
      client: ports.sinkClient ?? createSinkClient(SINK_CONCURRENCY_MAX),
    });
    await app.register(async (scope) => publishRoutes(scope, options, door, ports.trace));
    await app.register(async (scope) => subscriptionRoutes(scope, options, door, sinks));
    await app.register(async (scope) => streamRoutes(scope, options, { door, log }));
    await app.register(async (scope) => webhookRoutes(scope, sinks));
    app.addHook('onReady', async () => sinks.start());
    app.addHook('preClose', async () => sinks.stop());
  };
}

const realTimers: Timers = {
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
