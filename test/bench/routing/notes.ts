// What docs/performance.md says beside the figures of routing, with the table of what the formulas give.

import { showBytes } from '../report/figures.ts';
import { gossipBytes } from './gossip-bytes.ts';
import { LOSS } from './loss.ts';
import {
  CHURN,
  computedChurn,
  computedJoin,
  computedRegistry,
  computedRest,
  USUAL_DELTA_BYTES,
} from './points.ts';

const CLUSTERS = [10, 100, 1_000] as const;
const FILTERS = 10_000;

export function notes(): string {
  return `
![Control bytes, bytes to join, and time to converge, by clusters](routing.svg)

Of the first two drawings lines are **computed**, dots were **simulated**; of the third dots were simulated and the line is **fitted** to them. Beyond 100 clusters
nothing was run but the records of a thousand pulled by one mesher (\`10.records-1000x1e4\`). One mesher in each cluster; two in each are as twice the clusters, since all meshers link with all.

**Simulated** are whole cores of the product, in one process and virtual time, each control message encoded, counted and decoded; links lose nothing and take
20 ms. What fits in a few GB and a minute: 10 clusters with 10⁴ filters each, 30 with 10³, 100 with 10². Of 100 and of
1,000 with 10⁴, one mesher alone is real (\`10.records-…\`): its route table pulls all records from their owners', each made for that and let go. At rest and under
churn the number of filters makes no difference: what is sent is versions and changes, never contents. A simulation is the same each time, so it
is lived through once and its pairs are one result repeated: their number and quartiles say nothing. Rows that begin with _simulated_ hold the formulas to the simulation: their goal says that both agree, not that anything is fast. The churn is new interests, one after the other at different meshers. Gossip is a **model** in it: a delta
reaches everybody in one hop of 20 ms, as gossipsub's flood publishing sends it (so \`10.spread-…\` is just that, and what it took \`without gossip\` is what says something), and ${LOSS * 100} % of deltas are lost on the way to one mesher (an assumption), and repaired. The bytes that
gossipsub sends for those deltas are computed: they stand beside what went over links (\`gossip bytes per second\`), and the dots of the drawing are both together.

**Computed** is everything else, from the encodings of the messages (\`test/bench/routing/control-bytes.ts\`), and what gossipsub adds, from its
settings (\`gossip-bytes.ts\`). The rows hold the first to what was simulated, and \`10.gossip\` holds the second to what the library really sends among 60
meshers in one process. Below the bytes of the messages come those of yamux, noise and TCP, which are not counted; nor is the registry's list, which a mesher
reads every 45 s (${showBytes(computedRegistry(1_000))} a second on average at a thousand clusters).

${table()}

In words, for *n* meshers: a mesher sends each second 26·n bytes of probes, and names all versions to one other every five seconds (65·n bytes).
A change is a delta of some ${USUAL_DELTA_BYTES} bytes, which gossipsub sends about eight times per mesher, whatever *n* is.
To join, a mesher hears all versions from everybody twice (130·n² bytes) and pulls every record (4.3 KiB of digests, and 50 bytes a filter).

**Time to converge** is until the *last* mesher knows. By gossip that is one hop, whatever *n* is, for each change that nobody lost. Whoever lost one hears of it with the
owner's next change, or by exchanges with random peers, which spread as an epidemic does: with the logarithm of *n* (the fitted line is all gossip lost).
With ${LOSS * 100} % lost on the way to each mesher, a change misses somebody in ${missed(100)} of a hundred cases at 100 meshers, and in ${missed(1_000)} at a thousand, where
the median is therefore that of the repair. Changes per second make no difference to it, but for owners that change more often being repaired sooner (\`spread max ms\`).

**Where this design ends** (beyond 100 clusters: by the formulas).

- *At rest* it carries a thousand clusters: ${showBytes(computedRest(1_000))} a second for each mesher.
- *Under churn* it is gossipsub that ends first: each heartbeat tells a fourth of all peers the ids of the last three seconds' messages, which at
  a thousand clusters and 100 changes/s is ${showBytes(gossipBytes(1_000, 100, USUAL_DELTA_BYTES).told)} of ${showBytes(computedChurn(1_000, 100))} a second. As whatever gossip loses is repaired by exchanges, a gossip factor near zero is
  one setting that takes most of that away.
- *Joining* a thousand clusters with ten thousand filters each takes ${showBytes(computedJoin(1_000, FILTERS))}, four fifths of it the filters themselves; with few filters it is the
  versions, told by everybody. A digest of all versions, sent first, would make those one message; contents want **interest folding** (sibling
  filters of a cluster folded into a wider one, so that a cluster's record has hundreds of entries rather than ten thousand).
- *Memory* is the harder end: at a hundred clusters with ten thousand filters each a mesher holds a million interests, at a thousand ten million (\`held bytes\` of
  \`10.records-100x1e4\` and \`10.records-1000x1e4\`), in every mesher, though filters of different clusters are drawn
  about the same things there and are often equal, which is held once. Folding is the answer to that, too.
- *Links* are every mesher's with every other: a thousand are what the host allows (1,024 connections). Beyond some hundred clusters the exchange
  has to become **hierarchical**: clusters of a region elect who links to other regions, records are folded at that border, and events take
  two hops with custody on each.
- With two meshers in each cluster, each has its own record and link. One record per cluster, signed by whoever leads it, would halve both.
`;
}

function table(): string {
  const head = [
    'clusters',
    'at rest',
    ...CHURN.map((changes) => `${changes}/s`),
    'to join, 10⁴ filters each',
  ];
  const rows = CLUSTERS.map((clusters) => [
    clusters.toLocaleString('en'),
    showBytes(computedRest(clusters)),
    ...CHURN.map((changes) => showBytes(computedChurn(clusters, changes))),
    showBytes(computedJoin(clusters, FILTERS)),
  ]);
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    'Computed; bytes that a mesher sends in a second, and bytes that it receives to join:',
    '',
    line(head),
    line(head.map(() => '---')),
    ...rows.map(line),
  ].join('\n');
}

/** Of a hundred changes, how many do not reach everybody by gossip. */
function missed(meshers: number): number {
  return Math.round(100 * (1 - (1 - LOSS) ** (meshers - 1)));
}
