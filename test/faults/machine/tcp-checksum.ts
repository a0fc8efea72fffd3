// The checksum of a TCP segment inside a VXLAN datagram. [RFC 9293 §3.1; RFC 791 §3.1]

const VXLAN_BYTES = 8;
const ETHERNET_BYTES = 14;
const IPV4 = 0x0800;
const TCP = 6;
/** Within a TCP header. */
const CHECKSUM_AT = 16;
const TCP_BYTES_MIN = 20;

/** Writes it where it belongs; leaves alone what is no whole TCP segment over IPv4. */
export function fillChecksum(datagram: Buffer): void {
  const ip = VXLAN_BYTES + ETHERNET_BYTES;
  if (datagram.length < ip + 20 || datagram.readUInt16BE(ip - 2) !== IPV4) return;
  const headerBytes = (datagram.readUInt8(ip) & 0x0f) * 4;
  const end = ip + datagram.readUInt16BE(ip + 2);
  const tcp = ip + headerBytes;
  const isFragment = (datagram.readUInt16BE(ip + 6) & 0x3fff) !== 0;
  if (datagram.readUInt8(ip + 9) !== TCP || isFragment) return;
  if (end > datagram.length || end - tcp < TCP_BYTES_MIN) return;
  datagram.writeUInt16BE(0, tcp + CHECKSUM_AT);
  // the pseudo header: both addresses, the protocol, the segment's length
  let sum = TCP + end - tcp;
  for (let at = ip + 12; at < ip + 20; at += 2) sum += datagram.readUInt16BE(at);
  for (let at = tcp; at + 1 < end; at += 2) sum += datagram.readUInt16BE(at);
  if ((end - tcp) % 2 === 1) sum += datagram.readUInt8(end - 1) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  datagram.writeUInt16BE(~sum & 0xffff, tcp + CHECKSUM_AT);
}
