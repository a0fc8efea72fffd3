// The reference of all metrics as Markdown, made from the catalogue; docs/metrics.md holds it, and a test compares.
//
//   npm run docs:metrics    writes docs/metrics.md

import { writeFileSync } from 'node:fs';
import {
  BRIDGES,
  COUNTERS,
  GAUGES,
  HISTOGRAMS,
  type MetricFacts,
  METRICS,
  OBSERVERS,
  OPEN,
  PROCESS,
  STORAGE,
  TRACING,
} from '../node/core/metric-catalogue.ts';
import { PREFIX } from '../node/http/metrics.ts';

const INTRODUCTION = `# Metrics

\`GET /metrics\` of each mesher, in Prometheus' text format. All names begin with \`${PREFIX}\`, which the tables leave out. This page is generated
(\`npm run docs:metrics\`).

\`deploy/prometheus/rules.yml\` has alerts, each with what to do; \`deploy/grafana/causeway.json\` is a dashboard to import (Dashboards → New → Import). Both
want all meshers in one or more jobs of Prometheus, and use its \`instance\` for the mesher that tells; \`${PREFIX}mesher_info\` says which cluster it is of:

\`\`\`yaml
rule_files: [rules.yml]
scrape_configs:
  - job_name: causeway
    static_configs: [{ targets: ['10.0.0.1:7400', '10.0.0.2:7400'] }]
\`\`\`

Do not add a target label \`cluster\`, \`peer\` or \`destination\`: those name whom a mesher tells of. Whether a mesher can be scraped at all is Prometheus'
own \`up\`.

- **Every drop and refusal has a \`reason\`**, and what can be listed is there with 0 from the start, so that the first one is an increase.
- **No label grows without bound.** Its values are listed below, or it is one of those in the first table. So no metric names a subscription or a topic,
  of which a mesher may have 20,000 and clients choose the names: there are sums, the deepest and the oldest. A list of the worst few would change its
  members from scrape to scrape and never end series; \`causeway status\` and \`GET /v1/queues\` name each one.
- **A peer is named only by what is about links**: three series for each other mesher. In a federation of 100 meshers that is 30,000 series in all.
- **Ages, not moments, where something waits**, so that 0 can mean that nothing does. What is on disk only, after a restart, counts as old as the restart: it is
  at least that. Moments are Unix time (\`_timestamp_seconds\`).
- Latencies are observed by batch: a batch's events are taken to be as old as the line from its first to its last. Publishing is measured from the core's taking a request
  to its answer, without HTTP or the network.`;

const SECTIONS: Readonly<Record<string, Readonly<Record<string, MetricFacts>>>> = {
  'What happened': COUNTERS,
  'What is now': GAUGES,
  'How long it took': HISTOGRAMS,
  Storage: STORAGE,
  Tracing: TRACING,
  Clients: BRIDGES,
  'What looks on': OBSERVERS,
  'The process': PROCESS,
};

export function metricsReference(): string {
  const open = Object.entries(OPEN).map(([kind, bound]) => [
    kind === 'own' ? 'of `mesher_info`' : `\`${kind}\``,
    bound,
  ]);
  const sections = Object.entries(SECTIONS).flatMap(([title, families]) => [
    `## ${title}`,
    table(['metric', 'type', 'labels', 'what it is'], Object.entries(families).map(rowOf)),
  ]);
  const parts = [
    INTRODUCTION,
    '## Labels whose values are not listed',
    table(['label', 'values'], open),
    ...sections,
    '## Values of labels',
    ...listedValues(),
  ];
  return `${parts.join('\n\n')}\n`;
}

function rowOf([name, { type, help, labels }]: [string, MetricFacts]): string[] {
  return [`\`${name}\``, type, labels.map(([label]) => `\`${label}\``).join(', '), help];
}

/** Families that share a list share its table. */
function listedValues(): string[] {
  const users = new Map<object, string[]>();
  for (const [name, { labels }] of Object.entries<MetricFacts>(METRICS)) {
    for (const [label, values] of labels) {
      if (typeof values === 'object')
        users.set(values, [...(users.get(values) ?? []), `\`${label}\` of \`${name}\``]);
    }
  }
  return [...users].flatMap(([values, uses]) => [
    `### ${uses.join(', ')}`,
    table(
      ['value', 'meaning'],
      Object.entries(values).map(([value, meaning]) => [`\`${value}\``, String(meaning)]),
    ),
  ]);
}

/** Padded as prettier pads, so that formatting the docs changes nothing. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

if (import.meta.main) writeFileSync(new URL('../docs/metrics.md', import.meta.url), metricsReference());
