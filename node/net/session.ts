// One connection as a link: two outbound streams of our own (control, data), two inbound ones of the peer, and a hello
// each way. All of them stand on one connection, and fall with it: whatever fails, the whole connection is given up.
//
//   opening ──(own streams stand, peer's hello accepted)──▶ up ──▶ closed        from any state
//
// What the peer says before the link is up here waits in its streams, which are paused.

import {
  type Connection,
  type Stream,
  type StreamMessageEvent,
  UnsupportedProtocolError,
} from '@libp2p/interface';
import { invariant } from '../core/errors.ts';
import { KnownHeaders } from '../core/event-record.ts';
import {
  type ControlMessage,
  type DataMessage,
  type Hello,
  type LinkMessage,
  isData,
} from '../core/messages.ts';
import type { MessageRefusal } from '../core/metric-catalogue.ts';
import { speaks } from '../core/wire-version.ts';
import { FrameReader } from '../wire/frames.ts';
import { decodeMessage } from '../wire/link-messages.ts';
import { WireError } from '../wire/wire-error.ts';
import type { SpareChunks } from './chunks.ts';
import { Outbox } from './outbox.ts';

/** The names of a link's two streams in one version of what is said on them. */
export interface LinkProtocol {
  readonly version: number;
  readonly control: string;
  readonly data: string;
}

export interface SessionOptions {
  /** What can be spoken, the newest first: both sides take the first that both have. */
  readonly protocols: readonly LinkProtocol[];
  readonly hello: () => Hello;
  /** limits.linkFrameBytesMax */
  readonly frameBytesMax: number;
  readonly spareChunks: SpareChunks;
  /** Data that waits in a stream's outbox before the core is told to stop. */
  readonly fullBytes: () => number;
  /** What a peer that reads nothing may cost before its link is closed. The core keeps to less. */
  readonly outboxBytesMax: number;
}

export interface SessionEvents {
  /** The peer has said who it is. To go on, `open` must be called (unless it was). */
  hello(session: Session, hello: Hello): void;
  up(session: Session, hello: Hello): void;
  messages(session: Session, messages: readonly LinkMessage[]): void;
  drained(session: Session): void;
  /** Something of the peer's was not acceptable; the session closes next. */
  refused(session: Session, reason: MessageRefusal): void;
  closed(session: Session, reason: string, wasUp: boolean): void;
}

/** From the first stream to up. */
const OPENING_TIMEOUT_MS = 10_000;
/** Nobody writes on a stream that the other side opened. */
const UNWANTED_READ_BYTES_MAX = 1024;

export class Session {
  readonly connection: Connection;
  readonly #options: SessionOptions;
  readonly #events: SessionEvents;
  readonly #timer: NodeJS.Timeout;
  #state: 'opening' | 'up' | 'closed' = 'opening';
  #opened = false;
  #spokeFirst = false;
  #protocol: LinkProtocol | undefined;
  #control: Outbox | undefined;
  #data: Outbox | undefined;
  #inboundControl: Stream | undefined;
  #inboundData: Stream | undefined;
  #hello: Hello | undefined;
  /** Control messages that came in one read with the hello. */
  #early: LinkMessage[] = [];

  constructor(connection: Connection, options: SessionOptions, events: SessionEvents) {
    this.connection = connection;
    this.#options = options;
    this.#events = events;
    this.#timer = setTimeout(() => this.close('the handshake of the link took too long'), OPENING_TIMEOUT_MS);
    connection.addEventListener('close', this.#onConnectionClose, { once: true });
  }

  get state(): 'opening' | 'up' | 'closed' {
    return this.#state;
  }

  /** What is spoken to the peer, once it is up. */
  get version(): number {
    return this.#protocol?.version ?? 0;
  }

  /** We opened streams on this connection before the peer said hello on it. */
  get spokeFirst(): boolean {
    return this.#spokeFirst;
  }

  /** Opens our streams and says hello. Once; later calls do nothing. */
  open(): void {
    if (this.#opened || this.#state !== 'opening') return;
    this.#opened = true;
    this.#spokeFirst = this.#hello === undefined;
    void this.#openStreams();
  }

  takeControl(stream: Stream): void {
    if (this.#inboundControl) return this.#refuse('second-control-stream');
    this.#inboundControl = stream;
    this.#read(stream, (messages) => this.#onControl(messages));
  }

  takeData(stream: Stream): void {
    if (this.#inboundData) return this.#refuse('second-data-stream');
    this.#inboundData = stream;
    if (this.#state === 'opening') stream.pause();
    this.#read(stream, (messages) => {
      if (messages.every(isData)) this.#deliver(messages);
      else this.#refuse('control-on-data-stream');
    });
  }

  sendControl(message: ControlMessage): void {
    if (this.#state === 'up' && this.#speaks(message)) this.#control?.send(message);
  }

  sendData(message: DataMessage): boolean {
    if (this.#state !== 'up' || !this.#data || !this.#speaks(message)) return true;
    return this.#data.send(message);
  }

  /** What it does not was meant for a link before this one, of a newer version, and is lost with that. */
  #speaks({ kind }: LinkMessage): boolean {
    return speaks(this.version, kind);
  }

  /** Sends what waits, as far as the streams take it, and is over; the connection is left to the host. */
  end(): void {
    this.#control?.flush();
    this.#data?.flush();
    this.#release();
  }

  /** Gives the connection up at once; what waits is lost. */
  close(reason: string): void {
    if (this.#state === 'closed') return;
    const wasUp = this.#state === 'up';
    this.#release();
    this.connection.abort(new Error(reason));
    this.#events.closed(this, reason, wasUp);
  }

  #release(): void {
    this.#state = 'closed';
    clearTimeout(this.#timer);
    this.#control?.close();
    this.#data?.close();
    this.#early = [];
    this.connection.removeEventListener('close', this.#onConnectionClose);
  }

  readonly #onConnectionClose = (): void => this.close('the connection closed');

  async #openStreams(): Promise<void> {
    try {
      const control = await this.#openStream(this.#options.protocols.map((each) => each.control));
      const protocol = this.#options.protocols.find((each) => each.control === control.protocol);
      invariant(protocol, `${control.protocol} was asked for`);
      this.#protocol = protocol;
      const controlBox = this.#outbox(control);
      controlBox.send(this.#options.hello());
      const data = await this.#openStream([protocol.data]);
      this.#control = controlBox;
      this.#data = this.#outbox(data);
      this.#upIfComplete();
    } catch (error) {
      // The federation is part of the protocol's name, so a mesher of another one does not speak it; nor does one of ours whose
      // versions are all others.
      if (error instanceof UnsupportedProtocolError) return this.#refuse('wrong-federation');
      this.close(`a stream could not be opened: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async #openStream(protocols: string[]): Promise<Stream> {
    const stream = await this.connection.newStream(protocols, {
      signal: AbortSignal.timeout(OPENING_TIMEOUT_MS),
    });
    stream.maxReadBufferLength = UNWANTED_READ_BYTES_MAX;
    this.#closeWith(stream);
    return stream;
  }

  #outbox(stream: Stream): Outbox {
    return new Outbox(
      stream,
      {
        fullBytes: this.#options.fullBytes,
        bytesMax: this.#options.outboxBytesMax,
        spareChunks: this.#options.spareChunks,
      },
      {
        drained: () => {
          if (stream.protocol === this.#protocol?.data && this.#state === 'up') this.#events.drained(this);
        },
        overflowed: () => this.close('the peer reads too slowly'),
      },
    );
  }

  /** A link is whole or gone. */
  #closeWith(stream: Stream): void {
    const close = (): void => this.close('a stream closed');
    stream.addEventListener('close', close, { once: true });
    stream.addEventListener('remoteCloseWrite', close, { once: true });
    if (stream.status !== 'open') close();
  }

  #read(stream: Stream, deliver: (messages: LinkMessage[]) => void): void {
    const reader = new FrameReader(this.#options.frameBytesMax);
    const known = new KnownHeaders();
    const version = this.#options.protocols.find(
      ({ control, data }) => stream.protocol === control || stream.protocol === data,
    )?.version;
    stream.addEventListener('message', (event: StreamMessageEvent) => {
      if (this.#state === 'closed') return;
      const messages: LinkMessage[] = [];
      let bad: WireError | undefined;
      try {
        for (const chunk of event.data instanceof Uint8Array ? [event.data] : event.data) {
          for (const frame of reader.push(chunk)) messages.push(decodeMessage(frame, known, version));
        }
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        bad = error;
      }
      if (messages.length > 0) deliver(messages);
      if (bad) this.#refuse(bad.reason);
    });
    this.#closeWith(stream);
  }

  #onControl(messages: LinkMessage[]): void {
    let rest = messages;
    if (!this.#hello) {
      const [first, ...others] = messages;
      if (first?.kind !== 'hello') return this.#refuse('no-hello');
      this.#hello = first;
      rest = others;
      this.#inboundControl?.pause();
      this.#events.hello(this, first);
      this.#upIfComplete();
    }
    if (rest.some((message) => message.kind === 'hello' || isData(message)))
      return this.#refuse('not-a-control-message');
    if (rest.length > 0) this.#deliver(rest);
  }

  #deliver(messages: LinkMessage[]): void {
    if (this.#state === 'up') this.#events.messages(this, messages);
    else if (this.#state === 'opening') this.#early.push(...messages);
  }

  #upIfComplete(): void {
    if (this.#state !== 'opening' || !this.#hello || !this.#data) return;
    this.#state = 'up';
    clearTimeout(this.#timer);
    this.#events.up(this, this.#hello);
    const early = this.#early;
    this.#early = [];
    if (early.length > 0) this.#deliver(early);
    for (const stream of [this.#inboundControl, this.#inboundData]) {
      if (stream?.readStatus === 'paused') stream.resume();
    }
  }

  #refuse(reason: MessageRefusal): void {
    if (this.#state === 'closed') return;
    this.#events.refused(this, reason);
    this.close(`refused: ${reason}`);
  }

  /** For the owner, who judges hellos. */
  refuse(reason: MessageRefusal): void {
    this.#refuse(reason);
  }
}
