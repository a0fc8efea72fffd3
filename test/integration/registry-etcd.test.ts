// The registry in a real etcd against the contract.

import { setTimeout as sleep } from 'node:timers/promises';
import { openRegistry } from '../../registry/open.ts';
import { registryContract } from '../contracts/registry-contract.ts';
import { slowness } from '../support/calibrate.ts';
import { startEtcd } from '../support/etcd.ts';

registryContract('etcd', async () => {
  const etcd = await startEtcd();
  return {
    ttlMs: Math.round(2000 * slowness()),
    open: (options) => openRegistry(etcd.address, options),
    stop: () => etcd.kill(),
    start: () => etcd.restart(),
    pass: (ms) => sleep(ms),
    close: () => etcd.stop(),
  };
});
