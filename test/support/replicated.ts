// Federations for tests of what a cluster keeps when it loses a mesher: three meshers in one cluster with two replicas, and one elsewhere.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Federation, type RunningMesher } from './federation.ts';
import { until } from './until.ts';

/** A mesher counts as dead soon, so that the test ends soon. */
export const FLAGS = [
  '--timing-dead-after-ms',
  '4000',
  '--timing-remember-every-ms',
  '1000',
  '--timing-relist-every-ms',
  '1000',
  '--registry-lease-ttl-ms',
  '3000',
];

export async function threeAndOne(t: TestContext): Promise<{
  federation: Federation;
  lost: RunningMesher;
  others: readonly [RunningMesher, RunningMesher];
  far: RunningMesher;
}> {
  const federation = await Federation.start(t, { clusters: { us: 1 }, flags: FLAGS });
  const replicated = ['--replicas', '2', ...FLAGS];
  const lost = await federation.join('eu', replicated);
  const others = [await federation.join('eu', replicated), await federation.join('eu', replicated)] as const;
  const far = federation.mesher('us');
  await federation.whenLinked();
  return { federation, lost, others, far };
}

/** As soon as copies can be made, publishing is taken. */
export async function untilCopied(mesher: RunningMesher): Promise<void> {
  await until('the mesher has copies', async () => {
    const response = await fetch(`${mesher.http}/v1/events?topic=probe`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'ce-id': '1',
        'ce-source': '/',
        'ce-type': 't',
        'ce-specversion': '1.0',
      },
      body: '{}',
    });
    return response.status === 202;
  });
}

export async function untilServedBy(meshers: readonly RunningMesher[], name: string): Promise<RunningMesher> {
  let heir: RunningMesher | undefined;
  await until(`${name} is served by another`, async () => {
    for (const mesher of meshers) {
      const response = await fetch(`${mesher.http}/v1/subscriptions/${name}`);
      if (response.ok) heir = mesher;
    }
    return heir !== undefined;
  });
  assert.ok(heir);
  return heir;
}
