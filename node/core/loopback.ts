// Whether what is said to a host stays on this machine.

/** `host`: a name or an address, IPv6 without brackets. Only what is loopback whatever a resolver says. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/i.test(host);
}
