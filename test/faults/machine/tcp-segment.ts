// The TCP segment inside a VXLAN datagram, and its checksum. [RFC 9293 §3.1; RFC 791 §3.1]

const VXLAN_BYTES = 8;
const ETHERNET_BYTES = 14;
const IPV4 = 0x0800;
const TCP = 6;
/** Within a TCP header. */
const DATA_OFFSET_AT = 12;
const CHECKSUM_AT = 16;
const TCP_BYTES_MIN = 20;

/** Places in the datagram. */
export interface TcpSegment {
  /** Of the IPv4 header. */
  readonly ip: number;
  /** Of the TCP header. */
  readonly start: number;
  /** Of what it carries; never behind `end`. */
  readonly content: number;
  readonly end: number;
  /** From which, and to which. */
  readonly ports: readonly [number, number];
}

/** Undefined: it is no whole TCP segment over IPv4. */
export function tcpSegment(datagram: Buffer): TcpSegment | undefined {
  const ip = VXLAN_BYTES + ETHERNET_BYTES;
  if (datagram.length < ip + 20 || datagram.readUInt16BE(ip - 2) !== IPV4) return undefined;
  const end = ip + datagram.readUInt16BE(ip + 2);
  const start = ip + (datagram.readUInt8(ip) & 0x0f) * 4;
  const isFragment = (datagram.readUInt16BE(ip + 6) & 0x3fff) !== 0;
  if (datagram.readUInt8(ip + 9) !== TCP || isFragment) return undefined;
  if (end > datagram.length || end - start < TCP_BYTES_MIN) return undefined;
  const content = Math.min(end, start + (datagram.readUInt8(start + DATA_OFFSET_AT) >> 4) * 4);
  const ports = [datagram.readUInt16BE(start), datagram.readUInt16BE(start + 2)] as const;
  return { ip, start, content, end, ports };
}

/** Writes the checksum where it belongs; leaves alone what is no whole TCP segment over IPv4. */
export function fillChecksum(datagram: Buffer): void {
  const segment = tcpSegment(datagram);
  if (!segment) return;
  const { ip, start, end } = segment;
  datagram.writeUInt16BE(0, start + CHECKSUM_AT);
  // the pseudo header: both addresses, the protocol, the segment's length
  let sum = TCP + end - start;
  for (let at = ip + 12; at < ip + 20; at += 2) sum += datagram.readUInt16BE(at);
  for (let at = start; at + 1 < end; at += 2) sum += datagram.readUInt16BE(at);
  if ((end - start) % 2 === 1) sum += datagram.readUInt8(end - 1) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  datagram.writeUInt16BE(~sum & 0xffff, start + CHECKSUM_AT);
}
