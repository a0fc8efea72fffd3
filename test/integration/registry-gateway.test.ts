// A gateway in front of a real etcd against the contract: clients speak HTTP and never see etcd.

import { setTimeout as sleep } from 'node:timers/promises';
import { startRegistryServer } from '../../registry/embedded/server.ts';
import { openRegistry, openStore } from '../../registry/open.ts';
import { registryContract } from '../contracts/registry-contract.ts';
import { slowness } from '../support/calibrate.ts';
import { startEtcd } from '../support/etcd.ts';

registryContract('gateway in front of etcd', async () => {
  const etcd = await startEtcd();
  const gateway = await startRegistryServer({
    listen: '127.0.0.1:0',
    store: await openStore(etcd.address, {}),
  });
  return {
    ttlMs: Math.round(2000 * slowness()),
    open: (options) => openRegistry(gateway.address, options),
    // The gateway stays up: it is etcd that is gone and comes back.
    stop: () => etcd.kill(),
    start: () => etcd.restart(),
    pass: (ms) => sleep(ms),
    async close() {
      await gateway.close();
      await etcd.stop();
    },
  };
});
