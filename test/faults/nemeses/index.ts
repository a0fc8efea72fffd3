// All nemeses, by name.

import { damageNemeses } from './damage.ts';
import { diskNemeses } from './disks.ts';
import { etcdNemeses } from './etcd.ts';
import { lossNemeses } from './losses.ts';
import type { Nemesis } from './nemesis.ts';
import { packetNemeses } from './packets.ts';
import { partitionNemeses } from './partitions.ts';
import { processNemeses } from './processes.ts';

export const nemeses: readonly Nemesis[] = [
  ...processNemeses,
  ...partitionNemeses,
  ...packetNemeses,
  ...etcdNemeses,
  ...diskNemeses,
  ...damageNemeses,
  ...lossNemeses,
];
