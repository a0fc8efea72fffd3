// What `causeway top` draws: one overview as lines of text, cut to the terminal. Pure. What comes from meshers never steers the terminal.

import type { Alarm, MesherOverview, Overview, SubscriptionOverview } from '../core/overview.ts';
import { formatDuration, formatNumber, printable } from './table.ts';

export const TABS = ['all', 'alarms', 'meshers', 'links', 'subscriptions', 'topics'] as const;
export type Tab = (typeof TABS)[number];

export interface FrameOptions {
  readonly columns: number;
  /** Lines there are; undefined: as many as it takes. */
  readonly rows: number | undefined;
  readonly tab: Tab;
  /** Lines of the body that are scrolled past. */
  readonly scroll: number;
  readonly isColoured: boolean;
  /** Of the connection to the mesher; '' while it is well. */
  readonly trouble: string;
}

type Colour = 'red' | 'yellow' | 'green' | 'dim' | 'bold' | 'inverse';

const CODES: Readonly<Record<Colour, string>> = {
  red: '31',
  yellow: '33',
  green: '32',
  dim: '2',
  bold: '1',
  inverse: '7',
};

interface Span {
  readonly text: string;
  readonly colour?: Colour | undefined;
}

type Line = readonly Span[];
type Cell = Span & { readonly right?: boolean };

/** Lines without line ends, none wider than the terminal. */
export function topFrame(overview: Overview, options: FrameOptions): string[] {
  const { columns, rows, tab, scroll } = options;
  const head = [...headOf(overview, options.trouble), ...(rows === undefined ? [] : [tabsOf(tab)])];
  const body = bodyOf(overview, tab, columns);
  const foot: Line[] =
    rows === undefined ? [] : [[{ text: 'q quit · tab next · ↑ ↓ scroll', colour: 'dim' }]];
  const room = rows === undefined ? body.length : Math.max(0, rows - head.length - foot.length);
  const from = Math.max(0, Math.min(scroll, body.length - room));
  const shown = body.slice(from, from + room);
  const filler: Line[] = rows === undefined ? [] : Array.from({ length: room - shown.length }, () => []);
  return [...head, ...shown, ...filler, ...foot].map((line) => draw(line, columns, options.isColoured));
}

/** How far the body can be scrolled. */
export function scrollMax(overview: Overview, { columns, rows, tab, trouble }: FrameOptions): number {
  if (rows === undefined) return 0;
  const room = rows - headOf(overview, trouble).length - 2;
  return Math.max(0, bodyOf(overview, tab, columns).length - room);
}

function draw(line: Line, columns: number, isColoured: boolean): string {
  let left = columns;
  let text = '';
  for (const span of line) {
    if (left <= 0) break;
    const cut = Array.from(printable(span.text)).slice(0, left).join('');
    left -= Array.from(cut).length;
    text += isColoured && span.colour ? `\x1b[${CODES[span.colour]}m${cut}\x1b[0m` : cut;
  }
  return isColoured ? text : text.trimEnd();
}

// ─────────────────────────────────────────────────────────── head

function headOf(overview: Overview, trouble: string): Line[] {
  const { clusters, meshers, registry } = overview;
  const silent = meshers.filter((one) => one.silent !== '').length;
  const figures = meshers.flatMap((one) => one.figures ?? []);
  const sum = (value: (one: (typeof figures)[number]) => number): string =>
    formatNumber(Math.round(figures.reduce((all, one) => all + value(one), 0)));
  const lines: Line[] = [
    [
      { text: 'causeway ', colour: 'bold' },
      {
        text: `${overview.federation}: ${count(clusters.length, 'cluster')}, ${count(meshers.length, 'mesher')}${silent > 0 ? `, ${silent} silent` : ''} · registry ${registry.state} · ${clock(overview.at)} UTC`,
      },
    ],
    [
      {
        text: `published ${sum(({ rates }) => rates.published)}/s · crossed ${sum(({ rates }) => rates.landed)}/s · delivered ${sum(({ rates }) => rates.delivered)}/s · queued ${sum(({ queued }) => queued)} · dead letters ${sum(({ deadLetters }) => deadLetters)}`,
      },
    ],
  ];
  return trouble === '' ? lines : [...lines, [{ text: trouble, colour: 'red' }]];
}

function tabsOf(tab: Tab): Line {
  return TABS.flatMap((one): Span[] => [
    { text: ` ${one} `, colour: one === tab ? 'inverse' : 'dim' },
    { text: ' ' },
  ]);
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function clock(wall: number): string {
  return new Date(wall).toISOString().slice(11, 19);
}

// ─────────────────────────────────────────────────────────── body

/** Of each part where all are shown, with its head. */
const PART_LINES_MAX = 14;

function bodyOf(overview: Overview, tab: Tab, columns: number): Line[] {
  const parts: Readonly<Record<Exclude<Tab, 'all'>, () => Line[]>> = {
    alarms: () => alarmLines(overview.alarms, columns),
    meshers: () => mesherLines(overview, columns),
    links: () => linkLines(overview, columns),
    subscriptions: () => subscriptionLines(overview, columns),
    topics: () => topicLines(overview, columns),
  };
  const one = (name: Exclude<Tab, 'all'>): Line[] => {
    const there = overview.cut[name];
    const cut: Line[] =
      there === undefined ? [] : [[{ text: `of ${formatNumber(there)} in all`, colour: 'dim' }]];
    return [[], ...parts[name](), ...cut];
  };
  if (tab !== 'all') return one(tab);
  return (Object.keys(parts) as Exclude<Tab, 'all'>[]).flatMap((name) => {
    const lines = one(name);
    const more = lines.length - PART_LINES_MAX;
    if (more < 2) return lines;
    return [...lines.slice(0, PART_LINES_MAX), [{ text: `and more: ${name}`, colour: 'dim' }]];
  });
}

function alarmLines(alarms: readonly Alarm[], columns: number): Line[] {
  if (alarms.length === 0) return [[{ text: 'nothing is wrong, as far as is known', colour: 'green' }]];
  return alarms.flatMap(({ severity, text, help }): Line[] => [
    ...wrapped(`${severity === 'critical' ? '‼' : '!'} ${text}`, columns, 2).map((line): Line => [
      { text: line, colour: severity === 'critical' ? 'red' : 'yellow' },
    ]),
    ...wrapped(`  ${help}`, columns, 2).map((line): Line => [{ text: line, colour: 'dim' }]),
  ]);
}

/** At spaces; lines after the first are indented. */
function wrapped(text: string, columns: number, indent: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/(?<=\S) +/)) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = ' '.repeat(indent) + word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function mesherLines({ meshers }: Overview, columns: number): Line[] {
  const head = ['cluster', 'mesher', 'state', 'pub/s', 'dlv/s', 'p99', 'queued', 'late', 'memory', 'disk'];
  const rows = [...meshers]
    .sort((a, b) => (a.cluster < b.cluster ? -1 : a.cluster > b.cluster ? 1 : 0))
    .map((mesher): Cell[] => {
      const { figures } = mesher;
      const name: Cell[] = [{ text: mesher.cluster }, { text: tail(mesher.node) }, stateOf(mesher)];
      if (!figures) return [...name, { text: mesher.silent, colour: 'dim' }];
      const { rates, latency, eventLoopDelayMs, disk } = figures;
      return [
        ...name,
        rate(rates.published),
        rate(rates.delivered),
        number(latency.publish === undefined ? '-' : millis(latency.publish.p99)),
        number(formatNumber(figures.queued)),
        number(millis(eventLoopDelayMs.p99)),
        number(bytes(figures.rssBytes)),
        { ...number(bytes(disk.freeBytes)), colour: disk.full ? 'red' : undefined },
      ];
    });
  return table(head, rows, columns);
}

function stateOf({ status, silent, figures }: MesherOverview): Cell {
  if (status !== 'alive') return { text: status, colour: status === 'dead' ? 'red' : 'yellow' };
  if (silent !== '') return { text: 'silent', colour: 'yellow' };
  return figures?.ready.ready === true
    ? { text: 'ready', colour: 'green' }
    : { text: 'not ready', colour: 'red' };
}

/** Those in trouble first, then the busiest. */
function linkLines({ links, meshers }: Overview, columns: number): Line[] {
  const name = namesOf(meshers);
  const head = ['link from', 'to', 'state', 'trip', 'events/s', 'bytes/s', 'queued', 'lag', 'why'];
  const rank = { down: 0, gapped: 1, slow: 2, up: 3 } as const;
  const rows = [...links]
    .sort((a, b) => rank[a.state] - rank[b.state] || b.eventsPerSecond - a.eventsPerSecond)
    .map(({ from, to, state, why, roundTripMs, eventsPerSecond, bytesPerSecond, queued, lagMs }): Cell[] => [
      { text: name(from) },
      { text: name(to) },
      { text: state, colour: state === 'up' ? 'green' : state === 'down' ? 'red' : 'yellow' },
      number(roundTripMs === undefined ? '-' : millis(roundTripMs)),
      rate(eventsPerSecond),
      number(bytes(bytesPerSecond)),
      number(formatNumber(queued)),
      number(lagMs === 0 ? '-' : formatDuration(lagMs)),
      { text: why },
    ]);
  return table(head, rows, columns);
}

function subscriptionLines({ subscriptions, at }: Overview, columns: number): Line[] {
  const head = ['subscription', 'cluster', 'filter', 'via', 'dlv/s', 'queued', 'oldest', 'stuck'];
  const isEmpty = ({ name, depth }: SubscriptionOverview): boolean => name.startsWith('$') && depth === 0;
  const shown = subscriptions.filter((one) => !isEmpty(one));
  const rows = shown.map(
    ({ name, cluster, topic, via, depth, oldestAt, deliveredPerSecond, stuck }): Cell[] => [
      { text: name, colour: stuck === '' ? undefined : 'yellow' },
      { text: cluster },
      { text: topic },
      { text: via, colour: via === 'nobody' ? 'dim' : undefined },
      rate(deliveredPerSecond),
      number(formatNumber(depth)),
      number(oldestAt === 0 ? '-' : formatDuration(Math.max(0, at - oldestAt))),
      { text: stuck },
    ],
  );
  return table(head, rows, columns);
}

function topicLines({ topics }: Overview, columns: number): Line[] {
  const head = ['topic', 'pub/s', 'last hour', 'publishers', 'listeners'];
  const rows = topics.map(({ topic, publishedPerSecond, published, publishers, listeners }): Cell[] => [
    { text: topic },
    rate(publishedPerSecond),
    number(formatNumber(published)),
    number(String(publishers.length)),
    number(String(listeners.length)),
  ]);
  return table(head, rows, columns);
}

/** A cluster's name where it has one mesher, else with the end of the node id. */
function namesOf(meshers: readonly MesherOverview[]): (node: string) => string {
  const sizes = Map.groupBy(meshers, ({ cluster }) => cluster);
  const names = new Map(
    meshers.map(({ node, cluster }) => [
      node,
      (sizes.get(cluster)?.length ?? 0) > 1 ? `${cluster}/${tail(node)}` : cluster,
    ]),
  );
  return (node) => names.get(node) ?? tail(node);
}

function tail(node: string): string {
  return node.slice(-6);
}

function number(text: string): Cell {
  return { text, right: true };
}

function rate(perSecond: number): Cell {
  return number(
    perSecond < 0.05 ? '-' : perSecond < 10 ? perSecond.toFixed(1) : formatNumber(Math.round(perSecond)),
  );
}

function millis(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)}ms` : ms < 10_000 ? `${Math.round(ms)}ms` : `${Math.round(ms / 1000)}s`;
}

function bytes(count: number): string {
  const units = ['B', 'K', 'M', 'G', 'T'];
  let [value, unit] = [count, 0];
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)}${units[unit] ?? ''}`;
}

// ─────────────────────────────────────────────────────────── tables

/** A column of text keeps so many letters, however narrow the terminal. */
const TEXT_COLUMNS_MIN = 8;
const GAP = 2;

/** Where the terminal is too narrow, the widest columns of text are cut. The last cell of a row goes on to the edge. */
function table(titles: readonly string[], rows: readonly (readonly Cell[])[], columns: number): Line[] {
  const right = titles.map((_, at) => rows.some((row) => row[at]?.right === true));
  const isLast = (row: readonly Cell[], at: number): boolean =>
    at === row.length - 1 && row[at]?.right !== true;
  const widths = titles.map((title, at) =>
    Math.max(title.length, ...rows.map((row) => (isLast(row, at) ? 0 : widthOf(row[at])))),
  );
  const total = (): number => widths.reduce((sum, width) => sum + width + GAP, -GAP);
  while (total() > columns) {
    const texts = widths.map((width, at) => (right[at] === true ? 0 : width));
    const widest = texts.indexOf(Math.max(...texts));
    if ((texts[widest] ?? 0) <= TEXT_COLUMNS_MIN) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  const gap = ' '.repeat(GAP);
  return [
    titles.map((title, at) => ({
      text: fit(title, widths[at] ?? 0, right[at] === true) + gap,
      colour: 'dim',
    })),
    ...rows.map((row) =>
      row.map((cell, at): Span => {
        const text = isLast(row, at) ? cell.text : fit(cell.text, widths[at] ?? 0, cell.right === true);
        return { text: text + gap, colour: cell.colour };
      }),
    ),
  ];
}

function widthOf(cell: Cell | undefined): number {
  return cell === undefined ? 0 : Array.from(printable(cell.text)).length;
}

function fit(text: string, columns: number, right: boolean): string {
  const letters = Array.from(printable(text));
  if (letters.length > columns) return `${letters.slice(0, Math.max(0, columns - 1)).join('')}…`;
  const filler = ' '.repeat(columns - letters.length);
  return right ? filler + letters.join('') : letters.join('') + filler;
}
