// The reference: NATS JetStream, with the sync that is asked for.

import { join } from 'node:path';
import { withRun } from '../harness/run.ts';
import type { Subject } from '../harness/scenario.ts';
import { startNatsClusters } from '../references/nats/clusters.ts';
import type { Sync } from '../references/nats/configuration.ts';
import { natsServer } from '../references/nats/install.ts';
import type { PublisherRole, SubscriberRole } from './roles.ts';
import { type Disk, slowerFsync } from './slower-fsync.ts';
import { measureThroughput, SECONDS } from './throughput.ts';

const ROLES = join(import.meta.dirname, '../references/nats');

export function jetStream(sync: Sync, payloadBytes: number, { fsyncSlowerMs }: Disk = {}): Subject {
  return {
    name: sync === 'always' ? 'JetStream, `sync_interval: always`' : 'JetStream, default sync',
    ready: async () => {
      await natsServer();
      if (fsyncSlowerMs !== undefined) await slowerFsync(fsyncSlowerMs);
    },
    run: (size) =>
      withRun('durable', async (run) => {
        const wrapper = fsyncSlowerMs === undefined ? [] : await slowerFsync(fsyncSlowerMs);
        const clusters = await startNatsClusters(run, sync, wrapper);
        const publisher = run.role<PublisherRole>('client', join(ROLES, 'publisher.ts'));
        const subscriber = run.role<SubscriberRole>('client', join(ROLES, 'subscriber.ts'));
        await publisher.call('open', { address: clusters.a, payloadBytes });
        await subscriber.call('open', { address: clusters.b });
        return measureThroughput(run, SECONDS[size], { publisher, subscriber }, { countsSyncs: false });
      }),
  };
}
