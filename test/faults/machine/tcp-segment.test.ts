// A TCP segment as VXLAN wraps it: where it lies, and after `fillChecksum` a receiver finds its checksum right [RFC 1071].

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillChecksum, tcpSegment } from './tcp-segment.ts';

/** VXLAN header of 8 bytes, Ethernet header of 14. */
const OUTER = `0800000000000700${'020000000002'}${'020000000001'}0800`;
/** 10.0.0.1:4096 to 10.0.0.2:80, SYN, sequence 0, window 65535, no options. */
const IP = '4500002800000000400626ce0a0000010a000002';
const TCP_BEFORE = '100000500000000000000000';
const TCP_CHECKSUM_AT = 8 + 14 + 20 + 16;

function datagram(tcp: string): Buffer {
  return Buffer.from(OUTER + IP + tcp, 'hex');
}

test('the checksum covers the pseudo header and the segment, whatever stood in its place', () => {
  const filled = datagram(`${TCP_BEFORE}5002ffff${'beef'}0000`);
  fillChecksum(filled);
  // the sum of all words, this one included, is all ones
  let sum = 6 + 20;
  for (let at = 8 + 14 + 12; at < filled.length; at += 2) sum += filled.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  assert.equal(sum, 0xffff);
  assert.notEqual(filled.readUInt16BE(TCP_CHECKSUM_AT), 0xbeef);
});

test('a segment has its ports, and what it carries behind its options', () => {
  const start = 8 + 14 + 20;
  const plain = datagram(`${TCP_BEFORE}5002ffff00000000`);
  assert.deepEqual(tcpSegment(plain), {
    ip: 8 + 14,
    start,
    content: start + 20,
    end: start + 20,
    ports: [4096, 80],
  });
  const more = datagram(`${TCP_BEFORE}6002ffff00000000${'01010101'}${'cafe'}`);
  more.writeUInt16BE(20 + 26, 8 + 14 + 2);
  assert.equal(tcpSegment(more)?.content, start + 24);
  assert.equal(tcpSegment(more)?.end, start + 26);
});

test('what is no whole TCP segment over IPv4 is left alone', () => {
  const whole = datagram(`${TCP_BEFORE}5002ffffbeef0000`);
  const arp = Buffer.from(whole);
  arp.writeUInt16BE(0x0806, 8 + 12);
  const udp = Buffer.from(whole);
  udp.writeUInt8(17, 8 + 14 + 9);
  for (const packet of [arp, udp, whole.subarray(0, -1), whole.subarray(0, 20)]) {
    const before = Buffer.from(packet);
    fillChecksum(packet);
    assert.deepEqual(packet, before);
  }
});
