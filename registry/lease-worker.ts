// The thread that keeps a mesher's lease: a LeaseHolder over a store of its own, so that neither a blocked event loop nor
// a congested connection of the mesher costs it its place in the registry. Messages in and out are those of
// lease-thread.ts; one that fails is answered, never thrown.

import { parentPort, workerData } from 'node:worker_threads';
import { invariant, MeshError } from '../node/core/errors.ts';
import { connectStore } from './connect.ts';
import { LeaseHolder } from './lease-holder.ts';
import type { FromLeaseThread, LeaseThreadData, ToLeaseThread } from './lease-thread.ts';
import { realScheduler } from './scheduler.ts';

invariant(parentPort !== null, 'the lease worker runs in a thread');
const port = parentPort;
const data = workerData as LeaseThreadData;
const ports = {
  scheduler: realScheduler,
  random: Math.random,
  log: (entry: Extract<FromLeaseThread, { kind: 'log' }>['entry']) => {
    tell({ kind: 'log', entry });
  },
};
const store = await connectStore(data.connect, ports);
const holder = new LeaseHolder(data, { ...ports, store });

function tell(message: FromLeaseThread): void {
  port.postMessage(message);
}

async function obey(message: ToLeaseThread): Promise<void> {
  switch (message.kind) {
    case 'register':
      await holder.register(message.record);
      return;
    case 'deregister':
      await holder.deregister();
      return;
    case 'close':
      await holder.close();
      await store.close();
      // Without its port the thread has nothing left to wait for, and ends.
      port.close();
  }
}

port.on('message', (message: ToLeaseThread) => {
  obey(message).then(
    () => {
      if (message.kind !== 'close') tell({ kind: 'done', id: message.id });
    },
    (error: unknown) => {
      const { code, text } =
        error instanceof MeshError
          ? { code: error.code, text: error.message }
          : {
              code: 'internal' as const,
              text: error instanceof Error ? (error.stack ?? error.message) : String(error),
            };
      if (message.kind !== 'close') tell({ kind: 'failed', id: message.id, code, message: text });
    },
  );
});
