// The short form: one of each family of faults, a few seconds each, in an order in which each leaves something to get
// over for the next.

import type { Nemesis } from './nemeses/nemesis.ts';

export const SHORT_SECONDS = 4;

const NAMES = [
  'kill',
  'partition-one-way',
  'power-loss',
  'packet-loss',
  'pause',
  'etcd-stop',
  'disk-full',
  'partition-pair',
  'clock',
  'kill-all',
];

/** Those of the list that this machine can give. */
export function shortNemeses(possible: readonly Nemesis[]): readonly Nemesis[] {
  return NAMES.flatMap((name) => possible.find((nemesis) => nemesis.name === name) ?? []);
}
