// The process behind wire.ts: takes VXLAN datagrams, and passes each on, late, twice, changed or not at all.
//
// The kernel leaves a TCP checksum to the hardware that it believes to be below; here there is none, so it is computed
// for every packet that is passed on. [RFC 7348 §5: 8 bytes of VXLAN header, then an Ethernet frame]

import { createSocket } from 'node:dgram';
import { Chance } from '../../simulation/chance.ts';
import { fillChecksum, tcpSegment } from './tcp-segment.ts';
import { OUTLET_PORT, RELAY_PORT, type WireSettings } from './wire.ts';

/** Packets that wait for their time. Above: lost, as in a router whose queue is full. */
const WAITING_MAX = 20_000;
/** The same of a line that carries so much a second. */
const QUEUED_MS_MAX = 1_000;

const [, , outlet = ''] = process.argv;
const socket = createSocket({ type: 'udp4', recvBufferSize: 8 * 1024 * 1024 });
const counts = { passed: 0, lost: 0, repeated: 0, changed: 0, overflowed: 0 };
let settings: WireSettings = {};
let chance = new Chance(1);
let waiting = 0;
/** When a line that carries so much a second is free again. */
let busyUntilMs = 0;

function pass(packet: Uint8Array): void {
  const { delayMs = 0, jitterMs = 0 } = settings;
  const queuedMs = queue(packet.length);
  if (waiting >= WAITING_MAX || queuedMs === undefined) {
    counts.overflowed++;
    return;
  }
  const ms = queuedMs + delayMs + (jitterMs > 0 ? chance.between(0, jitterMs) : 0);
  counts.passed++;
  if (ms === 0) {
    socket.send(packet, OUTLET_PORT, outlet);
    return;
  }
  waiting++;
  setTimeout(() => {
    waiting--;
    socket.send(packet, OUTLET_PORT, outlet);
  }, ms);
}

/** Ms until so many bytes are through; undefined: they find no room. */
function queue(bytes: number): number | undefined {
  const { bytesPerSecond } = settings;
  if (bytesPerSecond === undefined) return 0;
  const nowMs = performance.now();
  const startsMs = Math.max(nowMs, busyUntilMs);
  if (startsMs - nowMs > QUEUED_MS_MAX) return undefined;
  busyUntilMs = startsMs + (1000 * bytes) / bytesPerSecond;
  return busyUntilMs - nowMs;
}

/** Changes one bit of what a segment of that port carries. */
function corrupt(packet: Buffer): void {
  const { corruption } = settings;
  const segment = corruption && tcpSegment(packet);
  if (!segment || !segment.ports.includes(corruption.port)) return;
  const bytes = segment.end - segment.content;
  if (bytes === 0 || !chance.is(corruption.share)) return;
  const at = segment.content + chance.below(bytes);
  packet.writeUInt8(packet.readUInt8(at) ^ (1 << chance.below(8)), at);
  counts.changed++;
}

socket.on('message', (packet) => {
  const { loss = 0, duplication = 0 } = settings;
  if (loss > 0 && chance.is(loss)) {
    counts.lost++;
    return;
  }
  corrupt(packet);
  fillChecksum(packet);
  pass(packet);
  if (duplication > 0 && chance.is(duplication)) {
    counts.repeated++;
    pass(packet);
  }
});

process.on('message', (message: { readonly settings?: WireSettings; readonly counts?: boolean }) => {
  if (message.settings) {
    settings = message.settings;
    chance = new Chance(settings.seed ?? 1);
  }
  if (message.counts === true) process.send?.(counts);
});
process.on('disconnect', () => process.exit(0));
socket.bind(RELAY_PORT, () => process.send?.('listens'));
