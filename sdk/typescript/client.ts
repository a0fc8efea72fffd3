// The TypeScript client of a mesher: `import { connect } from 'causeway/client'`. What it speaks is docs/streaming.md.
//
//   const mesh = await connect('http://127.0.0.1:7400');
//   const subscription = mesh.subscribe({ name: 'billing', topic: 'orders/#' });
//   await subscription.opened();
//   await mesh.publish({ source: '/shop', type: 'com.example.order.created', data: { order: 7 } }, { topic: 'orders/eu' });
//   for await (const delivery of subscription) {
//     console.log(delivery.topic, delivery.event.data);
//     delivery.ack();
//   }
//
// Nothing that was acknowledged is lost when a connection is, or a mesher; what was not answered is sent again.

// oxlint-disable-next-line no-restricted-imports -- in its user's process a client has no other place to say that a listener threw
import { emitWarning } from 'node:process';
import { connectThrough } from './mesh-client.ts';
import { openSocket } from './socket.ts';
import { askByHttp } from './subscription-api.ts';
import { realTimers } from './timers.ts';
import type { ConnectOptions, Mesh } from './types.ts';

export { CausewayError } from './errors.ts';
export { encodeEvent } from './event.ts';
export type {
  ConnectOptions,
  DeadLetter,
  Delivery,
  DeliverySettings,
  EventInput,
  Mesh,
  MeshEvent,
  MesherInfo,
  PublishOptions,
  PublishReport,
  SubscribeOptions,
  Subscription,
} from './types.ts';

/**
 * Connects with a mesher: `http://host:port` (its HTTP API), or `ws://host:port`; `https` and `wss` where TLS is before it.
 * Of several addresses the first that answers is used; when the connection is lost it is tried first again, then the others in turn,
 * for ever. A durable subscription lives on one mesher, and is gone on with there, or at that one's heir, wherever the client is connected
 * by then.
 *
 * Rejects with CausewayError `mesher-unreachable` where none answers (see `connectTimeoutMs`), `invalid-request` for what is no address.
 */
export function connect(addresses: string | readonly string[], options: ConnectOptions = {}): Promise<Mesh> {
  return connectThrough({ openSocket, timers: realTimers, ask: askByHttp, warn }, addresses, options);
}

function warn(thrown: unknown): void {
  emitWarning(thrown instanceof Error ? thrown : String(thrown));
}
