// Finds out what faults this machine can give, by trying.

import type { Machine } from '../nemeses/nemesis.ts';
import { command } from './command.ts';
import { whyNoDisks, whyNoPowerLoss } from './disk.ts';

export async function examine(folder: string): Promise<Omit<Machine, 'replicas'>> {
  const noDisks = await whyNoDisks(folder);
  return {
    noDisks,
    noPowerLoss: noDisks === undefined ? await whyNoPowerLoss(folder) : undefined,
    noWire: await whyNoWire(),
  };
}

async function whyNoWire(): Promise<string | undefined> {
  try {
    await command('ip', 'link add probe type vxlan id 1 remote 192.0.2.1 dstport 4789'.split(' '));
    await command('ip', ['link', 'del', 'probe']);
    return undefined;
  } catch (error) {
    return `this kernel has no VXLAN (${error instanceof Error ? error.message : String(error)})`;
  }
}
