// All connections of the streaming bridge: takes them, looks after them, counts, and ends them when the mesher stops.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import { REPLICAS_MAX } from '../../node/core/limits.ts';
import type { Clock, FrontDoor } from '../../node/core/ports.ts';
import type { WsRefusal } from '../../node/core/metric-catalogue.ts';
import { family, sumBy } from '../../node/core/metric-family.ts';
import type { MetricFamily } from '../../node/core/views.ts';
import { closeUnheard } from './closing.ts';
import type { WsBridgeOptions } from './config.ts';
import { messageBounds, WS_BOUNDS, WS_TIMING } from './config.ts';
import type { ConnectionOptions, ConnectionPorts } from './connection.ts';
import { Connection } from './connection.ts';
import { SharedDeliveries } from './frames/deliver-frame.ts';
import { Overload } from './overload.ts';
import { ReceiveBudget } from './receive-budget.ts';

/** Of the WebSocket: names this version of the protocol. */
export const SUBPROTOCOL = 'causeway.v1';

export interface WsBridgePorts {
  readonly door: FrontDoor;
  readonly clock: Clock;
  /** pino's shape. */
  readonly log: { error(fields: object, message: string): void };
}

export class Connections {
  readonly #options: ConnectionOptions;
  readonly #ports: ConnectionPorts;
  readonly #clock: Clock;
  readonly #server: WebSocketServer;
  readonly #open = new Set<Connection>();
  readonly #refused = new Map<WsRefusal, number>();
  /** Runs while there are any. */
  #sweep: NodeJS.Timeout | undefined;
  /** Resolves `stop` when the last one is gone. */
  #allEnded: (() => void) | undefined;

  constructor(given: WsBridgeOptions, { door, clock, log }: WsBridgePorts) {
    const bounds = { ...WS_BOUNDS, ...given.bounds };
    const timing = { ...WS_TIMING, ...given.timing };
    const messages = messageBounds(given.limits, bounds);
    const { node, cluster, federation } = door;
    const { eventBytesMax, batchEventsMax, stagedBytesMax } = given.limits;
    const { streamsMax } = bounds;
    const { version } = given;
    const welcome = {
      node,
      cluster,
      federation,
      version,
      eventBytesMax,
      batchEventsMax,
      ...messages,
      streamsMax,
      replicasMax: REPLICAS_MAX,
      neighbours: [],
    };
    this.#options = { welcome, messages, bounds, timing };
    this.#ports = {
      door,
      log,
      overload: new Overload(timing.retryMs),
      shared: new SharedDeliveries(),
      budget: new ReceiveBudget(stagedBytesMax),
      refused: (reason) => this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1),
      ended: (connection) => this.#ended(connection),
    };
    this.#clock = clock;
    const serverOptions = {
      noServer: true,
      clientTracking: false,
      maxPayload: messages.messageBytesMax,
      closeTimeout: timing.closeTimeoutMs, // which the types do not know yet
      handleProtocols: () => SUBPROTOCOL,
    };
    this.#server = new WebSocketServer(serverOptions);
  }

  /** `head`: what came with the request. The library answers what is no proper handshake. */
  take(request: IncomingMessage, socket: Socket, head: Buffer): void {
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      if (this.#open.size >= this.#options.bounds.connectionsMax) {
        this.#ports.refused('overloaded');
        webSocket.on('error', () => undefined); // whatever it sends meanwhile: it is refused already
        closeUnheard(
          webSocket,
          socket,
          1013,
          'this mesher has as many connections as it may; try again, or another one',
        );
        return;
      }
      const neighbours = this.#ports.door.neighbours();
      const connection = new Connection(
        webSocket,
        socket,
        this.#clock.monotonic(),
        { ...this.#options, welcome: { ...this.#options.welcome, neighbours } },
        this.#ports,
      );
      this.#open.add(connection);
      this.#sweep ??= setInterval(() => this.#sweepAll(), this.#options.timing.sweepEveryMs);
      connection.open();
    });
  }

  #sweepAll(): void {
    const now = this.#clock.monotonic();
    for (const connection of this.#open) connection.sweep(now);
  }

  #ended(connection: Connection): void {
    this.#open.delete(connection);
    if (this.#open.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
    this.#allEnded?.();
  }

  /** Resolves when every connection has ended, which the deadline sees to. */
  async stop(): Promise<void> {
    for (const connection of this.#open) connection.stop();
    if (this.#open.size === 0) return;
    const deadline = setTimeout(() => {
      for (const connection of this.#open) connection.terminate();
    }, this.#options.timing.closeTimeoutMs);
    await new Promise<void>((resolve) => {
      this.#allEnded = resolve;
    });
    clearTimeout(deadline);
  }

  metrics(): MetricFamily[] {
    let streams = 0;
    for (const connection of this.#open) streams += connection.streams;
    return [
      family('ws_connections', this.#open.size),
      family('ws_streams', streams),
      family('ws_refused_total', sumBy('reason', this.#refused)),
    ];
  }
}
