// A process with one registry client, for tests that stop, block or kill it. Obeys its parent over IPC, one order at a
// time, and answers each with `done` or the error's text.

import assert from 'node:assert/strict';
import type { MemberRecord, Registry } from '../../node/core/ports.ts';
import { openRegistry } from '../../registry/open.ts';
import type { RegistryOptions } from '../../registry/open.ts';

export type Order =
  | { readonly kind: 'open'; readonly address: string; readonly options: RegistryOptions }
  | { readonly kind: 'register'; readonly record: MemberRecord }
  | { readonly kind: 'watch' }
  | { readonly kind: 'block'; readonly ms: number }
  | { readonly kind: 'close' };

export type Answer = { readonly done: true } | { readonly done: false; readonly error: string };

let registry: Registry | undefined;

async function obey(order: Order): Promise<void> {
  if (order.kind === 'open') {
    registry = await openRegistry(order.address, order.options);
    return;
  }
  assert.ok(registry !== undefined);
  switch (order.kind) {
    case 'register':
      await registry.register(order.record);
      return;
    case 'watch':
      registry.watch(() => undefined, new AbortController().signal);
      await registry.members();
      return;
    case 'block': {
      const until = performance.now() + order.ms;
      while (performance.now() < until) Math.sqrt(until);
      return;
    }
    case 'close':
      await registry.close();
      // From here on nothing may keep this process alive.
      setImmediate(() => {
        process.disconnect();
      });
  }
}

process.on('message', (order: Order) => {
  obey(order).then(
    () => process.send?.({ done: true } satisfies Answer),
    (error: unknown) => process.send?.({ done: false, error: String(error) } satisfies Answer),
  );
});
