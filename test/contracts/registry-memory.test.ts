// The registry in memory against the contract, in virtual time.

import { MemoryRegistryHub } from '../../registry/memory.ts';
import { registryContract } from './registry-contract.ts';
import { VirtualTime } from './registry-virtual-time.ts';

registryContract('in memory', () => {
  const time = new VirtualTime();
  const hub = new MemoryRegistryHub(time);
  return Promise.resolve({
    ttlMs: 2000,
    open: (options) => Promise.resolve(hub.open(options)),
    stop: () => {
      hub.down = true;
      return Promise.resolve();
    },
    start: () => {
      hub.down = false;
      return Promise.resolve();
    },
    pass: (ms) => time.pass(ms),
    close: () => {
      hub.close();
      return Promise.resolve();
    },
  });
});
