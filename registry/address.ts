// Reads a registry's address. Grammar:
//   etcd://host:port[,host:port…]     etcds://…  (TLS)
//   http://host:port[,host:port…]     https://…  (the embedded registry, or gateways in front of one etcd)
// A port may be left out: 2379 for etcd, 7420 for the embedded one. No user, path or query: passwords are options.

import { MeshError } from '../node/core/errors.ts';

export interface RegistryAddress {
  readonly kind: 'etcd' | 'http';
  readonly secure: boolean;
  /** `host:port`, IPv6 hosts in brackets. At least one, none twice. */
  readonly endpoints: readonly string[];
  /** The address as it is logged. */
  readonly text: string;
}

const schemes = new Map([
  ['etcd', { kind: 'etcd', secure: false, port: 2379 }],
  ['etcds', { kind: 'etcd', secure: true, port: 2379 }],
  ['http', { kind: 'http', secure: false, port: 7420 }],
  ['https', { kind: 'http', secure: true, port: 7420 }],
] as const);

const endpointsMax = 32;

/** Throws `invalid-config` that names what is wrong. The message never repeats what stands before an `@`. */
export function parseRegistryAddress(address: string): RegistryAddress {
  const [before = '', ...rest] = address.trim().split('://');
  const scheme = before.toLowerCase();
  const known = [...schemes].find(([name]) => name === scheme)?.[1];
  if (known === undefined || rest.length !== 1) {
    throw wrong(
      'does not start with a known scheme',
      'Write etcd://host:2379, etcds://…, http://host:7420 or https://…',
    );
  }
  const list = (rest[0] ?? '').replace(/\/$/, '');
  if (list.includes('@')) throw wrong('holds a user or password', 'Give them as options, by file path.');
  const hosts = list.split(',').map((host) => host.trim());
  if (hosts.length > endpointsMax)
    throw wrong('names too many hosts', `At most ${String(endpointsMax)} are allowed.`);
  const endpoints = hosts.map((host) => parseEndpoint(host, known.port));
  const twice = endpoints.find((endpoint, at) => endpoints.indexOf(endpoint) !== at);
  if (twice !== undefined) throw wrong(`names ${twice} twice`, 'Name every host once.');
  const text = `${scheme}://${endpoints.join(',')}`;
  return { kind: known.kind, secure: known.secure, endpoints, text };
}

function parseEndpoint(host: string, defaultPort: number): string {
  if (host === '') throw wrong('has an empty host', 'Write host:port, parted by commas.');
  if (/[/?#\s\\]/.test(host))
    throw wrong(`has more than host and port in "${host}"`, 'Leave path, query and spaces away.');
  const bare = /^\[[0-9A-Fa-f:.]+\]$|^[^:[\]]+$/.test(host);
  const full = bare ? `${host}:${String(defaultPort)}` : host;
  const match = /^(\[[0-9A-Fa-f:.]+\]|[^:[\]]+):(\d{1,5})$/.exec(full);
  if (match === null)
    throw wrong(`has no readable host and port in "${host}"`, 'Write host:port; IPv6 as [::1]:2379.');
  const port = Number(match[2]);
  if (port < 1 || port > 65_535)
    throw wrong(`has port ${String(port)} in "${host}"`, 'Ports go from 1 to 65535.');
  if (!URL.canParse(`http://${full}/`))
    throw wrong(`has no valid host in "${host}"`, 'Write a name or an IP address.');
  return full.toLowerCase();
}

function wrong(what: string, how: string): MeshError {
  return new MeshError('invalid-config', `The registry address ${what}. ${how}`);
}
