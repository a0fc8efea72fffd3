// Publishes encoded events, some hundreds in one call, through the client, which tries again what the mesher says it could
// take later. With one batch under way at a time the order of the input is kept, whatever the mesher refuses.
// At least once: what has no answer when the connection is lost is sent again with the same ids, and counted in doubt.

import { CausewayError } from '../../sdk/typescript/client.ts';
import type { Mesh, PublishReport } from '../../sdk/typescript/client.ts';
import { checkCloudEvent } from '../core/cloud-event-check.ts';
import { parseJsonEvent } from '../core/cloud-event-json.ts';
import type { MeshError } from '../core/errors.ts';
import { encodeCloudEvent } from '../wire/cloud-event-protobuf.ts';
import { type Api, unreachable } from './api.ts';
import { asMeshErrors, connectMesh, meshErrorOf } from './mesh.ts';

export interface PublisherOptions {
  readonly topic: string | undefined;
  readonly qos: 'durable' | 'best-effort';
  /** Undefined: as many as the mesher is set to. */
  readonly replicas?: number | undefined;
  /** Batches under way at once. */
  readonly parallel: number;
  /** Gives up when an event was not taken for this long, ms. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  readonly published: (results: readonly PublishReport[]) => void | Promise<void>;
  /** Told why it takes longer. */
  readonly waiting?: (error: MeshError) => void;
}

// Well under every limit a mesher has by default, and large enough that the fsync of each batch does not show.
const callEventsMax = 1_000;
const callBytesMax = 256 * 1024;
/** A connection that takes longer is told of. */
const lateMs = 2_000;
/** What is under way may still be answered when the command is told to stop. */
const closeTimeoutMs = 2_000;

export class Publisher {
  readonly #api: Api;
  readonly #options: PublisherOptions;
  #mesh: Promise<Mesh> | undefined;
  #inDoubt = () => 0;
  #underWay = new Set<Promise<void>>();
  #failure: Error | undefined;

  constructor(api: Api, options: PublisherOptions) {
    this.#api = api;
    this.#options = options;
  }

  /** Events whose answer was lost, so that they may have been taken twice. */
  get inDoubt(): number {
    return this.#inDoubt();
  }

  /** Resolves when there is room for more. Rejects with the first failure of this or an earlier call. */
  async publish(events: readonly Uint8Array[]): Promise<void> {
    for (const call of calls(events)) {
      this.#throwFailure();
      const mesh = await (this.#mesh ??= this.#connect());
      const work = this.#send(mesh, call)
        .catch((error: unknown) => {
          this.#failure ??= error instanceof Error ? error : new Error(String(error));
        })
        .finally(() => this.#underWay.delete(work));
      this.#underWay.add(work);
      await mesh.ready();
    }
  }

  /** Resolves when all is taken. */
  async flush(): Promise<void> {
    await Promise.all(this.#underWay);
    this.#throwFailure();
  }

  /** Never rejects. */
  async close(): Promise<void> {
    await this.#mesh?.then(
      (mesh) => mesh.close(),
      () => undefined, // told to whoever published
    );
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Later, so that wrong input is told of without a mesher. */
  async #connect(): Promise<Mesh> {
    const { patienceMs, parallel, signal, waiting } = this.#options;
    const late = setTimeout(
      () => waiting?.(unreachable(this.#api.url, new Error('no connection yet'))),
      lateMs,
    );
    const mesh = await connectMesh(this.#api, {
      connectTimeoutMs: patienceMs,
      publishTimeoutMs: patienceMs,
      closeTimeoutMs,
      batchesInFlightMax: parallel,
      signal,
    }).finally(() => clearTimeout(late));
    this.#inDoubt = () => mesh.inDoubt;
    signal.addEventListener('abort', () => void mesh.close(), { once: true });
    const tell = (error: CausewayError): void => waiting?.(meshErrorOf(this.#api.url, error));
    mesh.on('down', tell);
    mesh.on('refused', tell);
    return mesh;
  }

  async #send(mesh: Mesh, events: readonly Uint8Array[]): Promise<void> {
    const { topic, qos, replicas, published } = this.#options;
    const results = await asMeshErrors(
      this.#api.url,
      mesh.publish(events, {
        qos,
        report: true,
        ...(topic === undefined ? {} : { topic }),
        ...(replicas === undefined ? {} : { replicas }),
      }),
    );
    await published(results);
  }
}

/** A structured CloudEvent as the bytes that are published, its data as written. Throws `invalid-event`. */
export function encodeJson(text: string): Uint8Array {
  return encodeCloudEvent(checkCloudEvent(parseJsonEvent(text)));
}

function* calls(events: readonly Uint8Array[]): Generator<readonly Uint8Array[]> {
  let call: Uint8Array[] = [];
  let bytes = 0;
  for (const event of events) {
    if (call.length >= callEventsMax || (call.length > 0 && bytes + event.length > callBytesMax)) {
      yield call;
      call = [];
      bytes = 0;
    }
    call.push(event);
    bytes += event.length;
  }
  if (call.length > 0) yield call;
}
