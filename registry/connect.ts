// From an address to the store that it names. Each store's library is loaded only when it is asked for.

import type { RegistryAddress } from './address.ts';
import type { Scheduler } from './scheduler.ts';
import type { Log, RegistryStore } from './store.ts';

/** Plain data: it is also handed to a thread. */
export interface ConnectOptions {
  readonly address: RegistryAddress;
  readonly timeoutMs: number;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer } | undefined;
}

export interface ConnectPorts {
  readonly scheduler: Scheduler;
  readonly random: () => number;
  readonly log: Log;
}

/** Makes the client side of a store; nothing is dialled yet, so it works while the registry is down. */
export async function connectStore(options: ConnectOptions, ports: ConnectPorts): Promise<RegistryStore> {
  switch (options.address.kind) {
    case 'etcd': {
      const { EtcdStore } = await import('./etcd.ts');
      return new EtcdStore(options, ports);
    }
    case 'http': {
      const { HttpStore } = await import('./embedded/http-store.ts');
      return new HttpStore(options, ports);
    }
  }
}
