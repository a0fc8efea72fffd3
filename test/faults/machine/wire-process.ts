// The process behind wire.ts: takes VXLAN datagrams, and passes each on, late, twice or not at all.
//
// The kernel leaves a TCP checksum to the hardware that it believes to be below; here there is none, so it is computed
// for every packet that is passed on. [RFC 7348 §5: 8 bytes of VXLAN header, then an Ethernet frame]

import { createSocket } from 'node:dgram';
import { Chance } from '../../simulation/chance.ts';
import { fillChecksum } from './tcp-checksum.ts';
import { OUTLET_PORT, RELAY_PORT, type WireSettings } from './wire.ts';

/** Packets that wait for their time. Above: lost, as in a router whose queue is full. */
const WAITING_MAX = 20_000;

const [, , outlet = ''] = process.argv;
const socket = createSocket({ type: 'udp4', recvBufferSize: 8 * 1024 * 1024 });
const counts = { passed: 0, lost: 0, repeated: 0, overflowed: 0 };
let settings: WireSettings = {};
let chance = new Chance(1);
let waiting = 0;

function pass(packet: Uint8Array): void {
  const { delayMs = 0, jitterMs = 0 } = settings;
  const ms = delayMs + (jitterMs > 0 ? chance.between(0, jitterMs) : 0);
  if (waiting >= WAITING_MAX) {
    counts.overflowed++;
    return;
  }
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

socket.on('message', (packet) => {
  const { loss = 0, duplication = 0 } = settings;
  if (loss > 0 && chance.is(loss)) {
    counts.lost++;
    return;
  }
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
