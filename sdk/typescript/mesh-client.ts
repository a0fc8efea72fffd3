// A mesh as its user has it: joins the connection, the publisher and the subscriptions.

import { TEXT_BYTES_MAX } from '../../bridge/ws/frames/bounds.ts';
import { parseAddress } from './address.ts';
import type { Address } from './address.ts';
import { Connection } from './connection.ts';
import { CausewayError } from './errors.ts';
import { Publisher } from './publisher.ts';
import type { Session } from './session.ts';
import type { OpenSocket } from './socket.ts';
import { KnownMeshers } from './known-meshers.ts';
import { SideLinks } from './side-links.ts';
import type { LinkUser } from './side-links.ts';
import type { Ask } from './subscription-api.ts';
import { SubscriptionStream } from './subscription-stream.ts';
import type { Timers } from './timers.ts';
import type {
  ConnectOptions,
  EventInput,
  Mesh,
  MesherInfo,
  PublishOptions,
  PublishReport,
  SubscribeOptions,
  Subscription,
} from './types.ts';
import { placeOn, Whereabouts } from './whereabouts.ts';

export interface MeshPorts {
  readonly openSocket: OpenSocket;
  readonly timers: Timers;
  readonly ask: Ask;
  /** Told of what a listener has thrown. */
  readonly warn: (thrown: unknown) => void;
}

type Settings = Omit<ConnectOptions, 'signal' | 'connectTimeoutMs'> &
  Omit<typeof DEFAULTS, 'connectTimeoutMs'>;

const DEFAULTS = {
  connectTimeoutMs: 0,
  publishTimeoutMs: 60_000,
  closeTimeoutMs: 10_000,
  waitingBytesMax: 64 * 1024 * 1024,
  batchesInFlightMax: 1_000,
};
/** What a timer of Node takes; a longer one ends at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;
/** The least and the most of each; Infinity is an answer to how long or how many. */
const BOUNDS: Readonly<Record<string, readonly [number, number] | undefined>> = {
  connectTimeoutMs: [0, Infinity],
  publishTimeoutMs: [1, Infinity],
  closeTimeoutMs: [0, TIMER_MAX_MS],
  waitingBytesMax: [1, Infinity],
  batchesInFlightMax: [1, Infinity],
};
const CREDIT_DEFAULT = 4_096;
/** Each delivery may be a range of its own in one SETTLE, which holds as many. */
const CREDIT_MAX = 65_536;

/** Resolves with the first connection that stands. */
export async function connectThrough(
  ports: MeshPorts,
  addresses: string | readonly string[],
  options: ConnectOptions,
): Promise<Mesh> {
  const parsed = parseAddresses(addresses);
  const asked = given(options);
  checkOptions(asked);
  const { connectTimeoutMs, signal, ...settings } = { ...DEFAULTS, ...asked };
  const { timers, openSocket } = ports;
  const deadline = timers.now() + connectTimeoutMs;
  return new Promise((resolve, reject) => {
    let mesh: MeshClient | undefined;
    const connection = new Connection(parsed, openSocket, timers, {
      up: (session) => {
        signal?.removeEventListener('abort', giveUp);
        mesh ??= new MeshClient(connection, session, settings, ports);
        mesh.up(session);
        resolve(mesh);
      },
      down: (error) => mesh?.down(error),
      goOn: (error) => {
        mesh?.seek();
        if (mesh !== undefined || timers.now() < deadline) return true;
        signal?.removeEventListener('abort', giveUp);
        reject(error);
        return false;
      },
    });
    const giveUp = (): void => {
      void connection.close();
      reject(new CausewayError('closed', 'connecting was given up'));
    };
    signal?.addEventListener('abort', giveUp, { once: true });
    if (signal?.aborted === true) giveUp();
    else connection.start();
  });
}

class MeshClient implements Mesh {
  readonly #connection: Connection;
  readonly #settings: Settings;
  readonly #timers: Timers;
  readonly #warn: (thrown: unknown) => void;
  readonly #ask: Ask;
  readonly #known = new KnownMeshers();
  readonly #sideLinks: SideLinks;
  readonly #publisher: Publisher;
  readonly #subscriptions = new Set<SubscriptionStream>();
  readonly #upListeners = new Set<(mesher: MesherInfo) => void>();
  readonly #downListeners = new Set<(error: CausewayError) => void>();
  readonly #refusedListeners = new Set<(error: CausewayError) => void>();
  #session: Session | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    connection: Connection,
    session: Session,
    settings: Settings,
    { openSocket, timers, ask, warn }: MeshPorts,
  ) {
    this.#connection = connection;
    this.#settings = settings;
    this.#timers = timers;
    this.#warn = warn;
    this.#ask = ask;
    this.#sideLinks = new SideLinks({ openSocket, timers, known: this.#known });
    this.#publisher = new Publisher(settings, session.welcome, { timers, refused: this.#refused });
  }

  get mesher(): MesherInfo | undefined {
    if (this.#session === undefined) return undefined;
    const { address, welcome } = this.#session;
    const { node, cluster, federation, version } = welcome;
    return { address: address.text, node, cluster, federation, version };
  }

  get inDoubt(): number {
    return this.#publisher.inDoubt;
  }

  up(session: Session): void {
    this.#session = session;
    this.#known.welcomed(session);
    this.#publisher.up(session);
    for (const subscription of this.#subscriptions) subscription.up(session);
    const mesher = this.mesher;
    if (mesher !== undefined) this.#tell(this.#upListeners, mesher);
  }

  down(error: CausewayError): void {
    const lost = this.#session;
    this.#session = undefined;
    this.#publisher.down(error);
    if (lost !== undefined) for (const subscription of this.#subscriptions) subscription.down(lost, error);
    if (this.#closing !== undefined) return;
    this.#tell(this.#downListeners, error);
  }

  /** None of the addresses answers. */
  seek(): void {
    if (this.#closing === undefined) for (const subscription of this.#subscriptions) subscription.seek();
  }

  readonly #refused = (error: CausewayError): void => this.#tell(this.#refusedListeners, error);

  /** Listeners are called amid the client's work, which is to go on whatever they throw. */
  #tell<Value>(listeners: ReadonlySet<(value: Value) => void>, value: Value): void {
    for (const listener of listeners) {
      try {
        listener(value);
      } catch (error) {
        this.#warn(error);
      }
    }
  }

  publish(
    events: EventInput | Uint8Array | readonly (EventInput | Uint8Array)[],
    options: PublishOptions & { readonly report: true },
  ): Promise<readonly PublishReport[]>;
  publish(
    events: EventInput | Uint8Array | readonly (EventInput | Uint8Array)[],
    options?: PublishOptions,
  ): Promise<void>;
  publish(
    events: EventInput | Uint8Array | readonly (EventInput | Uint8Array)[],
    options?: PublishOptions,
  ): Promise<readonly PublishReport[] | void> {
    return this.#publisher.publish(events, options);
  }

  ready(): Promise<void> {
    return this.#publisher.ready();
  }

  subscribe(options: SubscribeOptions): Subscription {
    if (this.#closing !== undefined) throw closed();
    const { name, topic, group = '', credit = CREDIT_DEFAULT } = options;
    const wrong = whatIsWrong(options, credit);
    if (wrong !== undefined) throw new CausewayError('invalid-request', wrong);
    const whereabouts =
      name === undefined
        ? undefined
        : this.#whereabouts(name, options, (link, error) => subscription.down(link, error));
    const subscription = new SubscriptionStream(
      {
        source: name === undefined ? 'ephemeral' : 'durable',
        group: name === undefined ? group : '',
        credit,
        closeTimeoutMs: this.#settings.closeTimeoutMs,
      },
      {
        timers: this.#timers,
        place: (main) => (whereabouts ? whereabouts.place(main) : placeOn(main, topic ?? '')),
        madeOn: () => whereabouts?.madeOn,
        opened: (link) => void whereabouts?.opened(link),
        refused: this.#refused,
        ended: () => void this.#subscriptions.delete(subscription),
      },
    );
    this.#subscriptions.add(subscription);
    if (this.#session !== undefined) subscription.up(this.#session);
    return subscription;
  }

  #whereabouts(name: string, options: SubscribeOptions, down: LinkUser['down']): Whereabouts {
    const { topic, group, delivery, madeOn } = options;
    const wanted = topic === undefined ? undefined : { topic, group, delivery };
    return new Whereabouts(
      { name, madeOn, wanted },
      { ask: this.#ask, sideLinks: this.#sideLinks, known: this.#known, down },
    );
  }

  on(change: 'up', listener: (mesher: MesherInfo) => void): () => void;
  on(change: 'down' | 'refused', listener: (error: CausewayError) => void): () => void;
  on(
    ...[change, listener]:
      ['up', (mesher: MesherInfo) => void] | ['down' | 'refused', (error: CausewayError) => void]
  ): () => void {
    if (change === 'up') return added(this.#upListeners, listener);
    return added(change === 'down' ? this.#downListeners : this.#refusedListeners, listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#publisher.end(closed());
    const answered = Promise.all([
      this.#publisher.idle(),
      ...[...this.#subscriptions].map((subscription) => subscription.close()),
    ]);
    await new Promise<void>((resolve) => {
      const cancel = this.#timers.after(this.#settings.closeTimeoutMs, resolve);
      void answered.then(cancel).then(resolve);
    });
    this.#publisher.abandon(
      new CausewayError('closed', 'the connection was closed before the mesher has answered'),
    );
    await Promise.all([this.#connection.close(), this.#sideLinks.close()]);
  }
}

/** Returns how to take it away. */
function added<Listener>(listeners: Set<Listener>, listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

function closed(): CausewayError {
  return new CausewayError('closed', 'the connection was closed');
}

function parseAddresses(addresses: string | readonly string[]): readonly Address[] {
  const parsed = (typeof addresses === 'string' ? [addresses] : addresses).map(parseAddress);
  if (parsed.length > 0) return parsed;
  throw new CausewayError('invalid-request', 'there is no address; give one like http://127.0.0.1:7400');
}

/** An option that is undefined is left out. */
function given(options: ConnectOptions): ConnectOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** Names what is wrong: a misspelled option, or a time in a wrong unit, would else show when it matters. */
function checkOptions({ signal, ...numbers }: ConnectOptions): void {
  const wrong = (what: string): never => {
    throw new CausewayError('invalid-request', what);
  };
  if (signal !== undefined && typeof signal.addEventListener !== 'function')
    wrong('signal must be an AbortSignal');
  for (const [name, value] of Object.entries(numbers)) {
    const bounds = BOUNDS[name];
    if (bounds === undefined)
      return wrong(`there is no option ${name}; there are ${Object.keys(BOUNDS).join(', ')}, signal`);
    const [least, most] = bounds;
    const isWhole = Number.isSafeInteger(value) || value === Infinity;
    if (!(isWhole && value >= least && value <= most))
      wrong(`${name} is ${String(value)}; it must be a whole number from ${least} to ${most}`);
  }
}

function whatIsWrong(options: SubscribeOptions, credit: number): string | undefined {
  const { name, topic, group, delivery, madeOn } = options;
  for (const [option, text] of Object.entries({ name, topic, group, madeOn })) {
    const wrong = whatIsWrongWith(text);
    if (wrong !== undefined) return `${option} ${wrong}`;
  }
  if (name === undefined && topic === undefined) return 'give a topic, a name, or both';
  if (name !== undefined && topic === undefined && group !== undefined)
    return 'the group of a durable subscription is part of what makes it: give its topic too';
  if (madeOn !== undefined && name === undefined)
    return 'madeOn is for a durable subscription: give its name too';
  if (delivery !== undefined && (name === undefined || topic === undefined))
    return 'delivery settings are for a durable subscription that is to be made: give its name and topic too';
  if (!Number.isInteger(credit) || credit < 1 || credit > CREDIT_MAX)
    return `credit is ${credit}; it must be a whole number from 1 to ${CREDIT_MAX}`;
  return undefined;
}

/** Beyond what no frame and no address can hold, names are the mesher's to judge. */
function whatIsWrongWith(text: unknown): string | undefined {
  if (text === undefined) return undefined;
  if (typeof text !== 'string') return `must be text, not ${text === null ? 'null' : typeof text}`;
  if (!text.isWellFormed()) return 'has a lone surrogate, which no text in UTF-8 may have';
  const bytes = Buffer.byteLength(text);
  return bytes > TEXT_BYTES_MAX ? `has ${bytes} bytes, the limit is ${TEXT_BYTES_MAX}` : undefined;
}
