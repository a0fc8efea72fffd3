// All webhook sinks of a mesher: one WebhookSink for each subscription that names a sink, made, changed and stopped as
// the front door says. Consent is not kept on disk: after a restart every sink is asked again.

import { randomBytes } from 'node:crypto';
import type { Subscription } from '../../node/core/subscription.ts';
import type { WebhookOptions } from './config.ts';
import type { Headers } from './webhook-handshake.ts';
import { judgeRate } from './webhook-handshake.ts';
import type { SinkPorts, SinkState } from './webhook-sink.ts';
import { WebhookSink } from './webhook-sink.ts';

const KEY_BYTES = 24;

export class WebhookSinks {
  readonly #options: WebhookOptions;
  readonly #ports: SinkPorts;
  readonly #sinks = new Map<string, WebhookSink>();
  readonly #stop = new AbortController();

  constructor(options: WebhookOptions, ports: SinkPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  start(): void {
    this.#ports.door.watchSinks((name, subscription) => this.#changed(name, subscription), this.#stop.signal);
  }

  stateOf(name: string): SinkState | undefined {
    return this.#sinks.get(name)?.state;
  }

  /** The sink's own call of the address it was given. False: there is no such sink (any more). */
  grant(key: string, headers: Headers): boolean {
    const sink = [...this.#sinks.values()].find((each) => each.key === key);
    sink?.decide(judgeRate(headers));
    return sink !== undefined;
  }

  /** The subscription was put, whether it changed or not: a sink that was gone or had refused is asked again now. */
  async askAgain(name: string): Promise<void> {
    const sink = this.#sinks.get(name);
    if (sink && sink.state.status !== 'active' && sink.state.status !== 'asking') await sink.ask();
  }

  stop(): void {
    this.#stop.abort();
    for (const sink of this.#sinks.values()) sink.stop();
    this.#sinks.clear();
    this.#ports.client.close();
  }

  #changed(name: string, subscription: Subscription | undefined): void {
    const old = this.#sinks.get(name);
    const url = subscription?.sink;
    if (old && subscription && old.url === url) return old.update(subscription);
    old?.stop();
    this.#sinks.delete(name);
    if (!subscription || url === undefined) return;
    const key = randomBytes(KEY_BYTES).toString('base64url');
    const sink = new WebhookSink(subscription, url, key, this.#options, this.#ports);
    this.#sinks.set(name, sink);
    void sink.ask();
  }
}
