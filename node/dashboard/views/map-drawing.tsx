// Clusters as cards and links as lines, drawn in pixels, so that text is never scaled. Everything that can be chosen is a link.

import type { ComponentChildren, JSX } from 'preact';
import type { MesherOverview, Overview } from '../../core/overview.ts';
import { useFederation } from '../data/hooks.ts';
import { formatAge, formatCount, formatMs, formatRate, plural } from '../model/format.ts';
import { borderPoint, type Box, placeOnLine } from '../model/graph-layout.ts';
import type { Edge } from '../model/links.ts';
import { mesherName } from '../model/names.ts';
import { total } from '../model/totals.ts';
import { LINK_STATES, mesherState } from '../parts/state.tsx';

export type Chosen =
  | { readonly kind: 'cluster'; readonly name: string }
  | { readonly kind: 'mesher'; readonly name: string }
  | { readonly kind: 'link'; readonly ends: readonly [string, string] }
  | { readonly kind: 'between'; readonly ends: readonly [string, string] };

interface Props {
  readonly width: number;
  readonly height: number;
  readonly boxes: ReadonlyMap<string, Box>;
  readonly overview: Overview;
  readonly edges: readonly Edge[];
  readonly chosen: Chosen | undefined;
  readonly to: (path: readonly string[]) => string;
  /** Left out of what is well, where there is no room for figures. */
  readonly bare?: boolean;
  /** Drawn below all else. */
  readonly children?: ComponentChildren;
}

/** More do not fit into a card's row. */
const MARKS_MAX = 6;
const MARK_STEP = 25;
/** So many have room for their names. */
const NAMES_MAX = 2;
const NAME_LETTERS_MAX = 7;
/** Of more lines only those have a label that are not well. */
const LABELS_MAX = 12;
/** Narrower drawings say less of each link. */
const NARROW = 560;
/** Pixels, half a letter of a label: as wide as the widest of the usual fonts has it. */
const FIGURE_WIDTH = 3.5;
const HEAD_WIDTH = 4.5;

export function Drawing(props: Props): JSX.Element {
  const { width, height, boxes, overview, edges, chosen, to, bare = false, children } = props;
  const { now } = useFederation();
  const between = edges.filter(({ a, b }) => a !== b).toSorted(goodFirst);
  const within = new Map(edges.filter(({ a, b }) => a === b).map((edge) => [edge.a, edge]));
  const isCrowded = bare || between.length > LABELS_MAX;
  const labels = labelsOf(
    between.filter(({ state }) => state !== 'up' || !isCrowded),
    props,
    now,
  );
  return (
    <svg
      class={between.length > LABELS_MAX ? 'drawing is-crowded' : 'drawing'}
      width={width}
      height={height}
      role="group"
      aria-label="Clusters and the links between them"
    >
      {children}
      {between.map((edge) => (
        <EdgeLine key={keyOf(edge)} edge={edge} boxes={boxes} chosen={chosen} overview={overview} />
      ))}
      {[...boxes].map(([name, box]) => (
        <ClusterCard
          key={name}
          name={name}
          box={box}
          overview={overview}
          within={within.get(name)}
          chosen={chosen}
          to={to}
        />
      ))}
      {labels.map((label) => (
        <EdgeLabel key={keyOf(label.edge)} label={label} to={to} />
      ))}
    </svg>
  );
}

function keyOf({ a, b }: Edge): string {
  return JSON.stringify([a, b]);
}

/** What is worst is drawn last, over the rest. */
function goodFirst(one: Edge, other: Edge): number {
  const rank = ({ state }: Edge): number => ['up', 'slow', 'gapped', 'down'].indexOf(state);
  return rank(one) - rank(other);
}

function ends(edge: Edge, boxes: ReadonlyMap<string, Box>) {
  const [a, b] = [boxes.get(edge.a), boxes.get(edge.b)];
  return a && b && { from: borderPoint(a, b), to: borderPoint(b, a) };
}

function EdgeLine({
  edge,
  boxes,
  chosen,
  overview,
}: {
  readonly edge: Edge;
  readonly boxes: ReadonlyMap<string, Box>;
  readonly chosen: Chosen | undefined;
  readonly overview: Overview;
}): JSX.Element | null {
  const line = ends(edge, boxes);
  if (!line) return null;
  const clusterOf = (node: string) => overview.meshers.find((each) => each.node === node)?.cluster;
  const chosenEnds =
    chosen?.kind === 'between'
      ? chosen.ends
      : chosen?.kind === 'link'
        ? chosen.ends.map(clusterOf)
        : undefined;
  const isChosen = chosenEnds?.includes(edge.a) === true && chosenEnds.includes(edge.b);
  const d = `M${line.from.x.toFixed(1)} ${line.from.y.toFixed(1)}L${line.to.x.toFixed(1)} ${line.to.y.toFixed(1)}`;
  return (
    <g class={isChosen ? 'edge is-chosen' : 'edge'}>
      {isChosen && <path class="edge-halo" d={d} />}
      <path
        class="edge-line"
        data-state={edge.state}
        d={d}
        stroke-width={edge.state === 'up' ? 1.5 + Math.min(3, Math.log10(1 + edge.eventsPerSecond)) : 3}
      />
    </g>
  );
}

interface Label {
  readonly edge: Edge;
  /** '' where all is well, or nothing but the sign has room. */
  readonly head: string;
  readonly figures: string;
  readonly box: Box;
}

/** Each as full as there is room for it on its line; the last, and worst, have the first choice. */
function labelsOf(
  edges: readonly Edge[],
  { boxes, width, bare = false }: Props,
  now: number,
): readonly Label[] {
  const taken = [...boxes.values()];
  return edges
    .toReversed()
    .flatMap((edge): Label[] => {
      const line = ends(edge, boxes);
      if (!line) return [];
      const head =
        edge.state === 'up' ? '' : `${LINK_STATES[edge.state].word} ${formatAge(now - edge.since)}`;
      const figures = figuresOf(edge, width < NARROW);
      const forms = [...(bare ? [] : [{ head, figures }]), { head, figures: '' }, { head: '', figures: '' }];
      for (const form of forms) {
        const box = placeOnLine(line.from, line.to, sizeOf(form), taken);
        if (box === undefined) continue;
        taken.push(box);
        return [{ edge, ...form, box }];
      }
      const middle = { x: (line.from.x + line.to.x) / 2, y: (line.from.y + line.to.y) / 2 };
      return [{ edge, head: '', figures: '', box: { ...middle, ...sizeOf({ head: '', figures: '' }) } }];
    })
    .toReversed();
}

function sizeOf({ head, figures }: Pick<Label, 'head' | 'figures'>): { width: number; height: number } {
  if (head === '' && figures === '') return { width: 26, height: 26 };
  return {
    width: 2 * Math.max(figures.length * FIGURE_WIDTH + 10, head.length * HEAD_WIDTH + 24),
    height: head !== '' && figures !== '' ? 44 : 26,
  };
}

function figuresOf(edge: Edge, narrow: boolean): string {
  const waits = edge.queued > 0;
  return [
    edge.roundTripMs === undefined ? '' : formatMs(edge.roundTripMs),
    narrow || (edge.state !== 'up' && waits) ? '' : formatRate(edge.eventsPerSecond),
    waits ? `${formatCount(edge.queued)} wait` : '',
    edge.lagMs > 0 && !narrow ? `lag ${formatMs(edge.lagMs)}` : '',
  ]
    .filter(Boolean)
    .join(' · ');
}

/** Begins with what is seen, so that who speaks to the page is understood. */
function spokenOf({ edge, head, figures }: Label): string {
  return [
    [head, figures].filter(Boolean).join(' '),
    `between ${edge.a} and ${edge.b}`,
    LINK_STATES[edge.state].word,
    edge.bad === 0 ? '' : `${edge.bad} of ${edge.links.length} links are not well`,
    edge.roundTripMs === undefined ? '' : `round trip ${formatMs(edge.roundTripMs)}`,
    formatRate(edge.eventsPerSecond),
    edge.queued > 0 ? `${plural(edge.queued, 'event')} wait, lag ${formatMs(edge.lagMs)}` : '',
  ]
    .filter(Boolean)
    .join(', ');
}

function EdgeLabel({ label, to }: { readonly label: Label; readonly to: Props['to'] }): JSX.Element {
  const { edge, head, figures, box } = label;
  const spoken = spokenOf(label);
  const both = head !== '' && figures !== '';
  return (
    <a
      class="edge-label"
      href={to(['between', edge.a, edge.b])}
      data-tone={LINK_STATES[edge.state].tone}
      aria-label={spoken}
    >
      <title>{spoken}</title>
      <g transform={`translate(${box.x.toFixed(1)} ${box.y.toFixed(1)})`}>
        <rect x={-box.width / 2} y={-box.height / 2} width={box.width} height={box.height} rx={13} />
        {edge.state !== 'up' && (
          <g transform={`translate(${head === '' ? 0 : -head.length * HEAD_WIDTH - 2} ${both ? -8 : 0})`}>
            <Mark state={edge.state} x={0} />
            <text class="edge-head" x={14} y={4.5}>
              {`${head} `}
            </text>
          </g>
        )}
        <text y={both ? 14 : 4.5} text-anchor="middle">
          {figures}
        </text>
      </g>
    </a>
  );
}

/** The states' signs, small enough for a line: a cross, a triangle, a split diamond. */
function Mark({ state, x }: { readonly state: 'down' | 'slow' | 'gapped'; readonly x: number }): JSX.Element {
  const paths = {
    down: 'M-5-5 5 5M5-5-5 5',
    slow: 'M0-6 6 5H-6Z',
    gapped: 'M-1.5-6-6 0-1.5 6M1.5-6 6 0 1.5 6',
  };
  return <path class="mark" transform={`translate(${x} 0)`} d={paths[state]} />;
}

function ClusterCard({
  name,
  box,
  overview,
  within,
  chosen,
  to,
}: {
  readonly name: string;
  readonly box: Box;
  readonly overview: Overview;
  readonly within: Edge | undefined;
  readonly chosen: Chosen | undefined;
  readonly to: (path: readonly string[]) => string;
}): JSX.Element {
  const meshers = overview.meshers.filter(({ cluster }) => cluster === name);
  const { published, delivered } = total(meshers);
  const [left, top] = [-box.width / 2, -box.height / 2];
  const isChosen = chosen?.kind === 'cluster' && chosen.name === name;
  const lettersMax = Math.floor((box.width - 20) / 8.4);
  // Some letters more than fit are squeezed, the rest is cut.
  const shownMax = Math.floor(1.4 * lettersMax);
  const shown = name.length > shownMax ? `${name.slice(0, shownMax - 1)}…` : name;
  const bad = within !== undefined && within.state !== 'up' ? within : undefined;
  const compact = box.height < 70;
  const bareName = box.height < 50;
  const named = meshers.length <= NAMES_MAX && !bad;
  return (
    <g class={isChosen ? 'card is-chosen' : 'card'} transform={`translate(${box.x} ${box.y})`}>
      <a href={to(['cluster', name])} aria-label={`Cluster ${name}, ${plural(meshers.length, 'mesher')}`}>
        <title>{name}</title>
        <rect class="card-box" x={left} y={top} width={box.width} height={box.height} rx={10} />
        <text
          class="card-name"
          x={left + 12}
          y={top + 21}
          textLength={shown.length > lettersMax ? box.width - 24 : undefined}
          lengthAdjust="spacingAndGlyphs"
        >
          {shown}
        </text>
      </a>
      {!compact && (
        <text class="card-rates" x={left + 12} y={top + box.height - 11}>
          {formatRate(published)} in, {formatRate(delivered)} out
        </text>
      )}
      {(bareName ? [] : meshers.slice(0, MARKS_MAX)).map((mesher, at) => (
        <MesherMark
          key={mesher.node}
          mesher={mesher}
          x={left + 22 + at * (named ? (box.width - 20) / NAMES_MAX : MARK_STEP)}
          named={named}
          y={top + 42}
          chosen={chosen?.kind === 'mesher' && chosen.name === mesher.node}
          href={to(['mesher', mesher.node])}
        />
      ))}
      {meshers.length > MARKS_MAX && !bareName && (
        <text class="card-rates" x={left + 12 + MARKS_MAX * MARK_STEP} y={top + 46}>
          +{meshers.length - MARKS_MAX}
        </text>
      )}
      {bad && (
        <a
          class="edge-label"
          href={to(['between', name, name])}
          data-tone={LINK_STATES[bad.state].tone}
          aria-label={`Within ${name}: ${bad.bad} of ${bad.links.length} links ${LINK_STATES[bad.state].word.toLowerCase()}`}
        >
          <g transform={`translate(${box.width / 2 - 48} ${top + (compact ? box.height : 42)})`}>
            <rect x={-40} y={-13} width={80} height={26} rx={13} />
            <Mark state={bad.state === 'up' ? 'slow' : bad.state} x={-25} />
            <text x={11} y={4} text-anchor="middle">
              {LINK_STATES[bad.state].word}
            </text>
          </g>
        </a>
      )}
    </g>
  );
}

const MESHER_MARKS = {
  good: '',
  quiet: '',
  slow: 'M0-4v5M0 4v.01',
  bad: 'M-3.5-3.5l7 7M3.5-3.5l-7 7',
  gapped: '',
};

function MesherMark({
  mesher,
  x,
  y,
  named,
  chosen,
  href,
}: {
  readonly mesher: MesherOverview;
  readonly named: boolean;
  readonly x: number;
  readonly y: number;
  readonly chosen: boolean;
  readonly href: string;
}): JSX.Element {
  const { tone, word } = mesherState(mesher);
  const spoken = `Mesher ${mesherName(mesher)} of ${mesher.cluster}: ${word}`;
  return (
    <a
      class={chosen ? 'mesher-mark is-chosen' : 'mesher-mark'}
      data-tone={tone}
      href={href}
      aria-label={spoken}
    >
      <title>{spoken}</title>
      <rect class="target" x={x - 12} y={y - 12} width={24} height={24} rx={12} />
      {tone === 'slow' ? (
        <rect x={x - 8} y={y - 8} width={16} height={16} rx={3} />
      ) : (
        <circle cx={x} cy={y} r={8} />
      )}
      <path transform={`translate(${x} ${y})`} d={MESHER_MARKS[tone]} />
      {named && (
        <text x={x + 14} y={y + 4.5}>
          {mesherName(mesher).slice(0, NAME_LETTERS_MAX)}
        </text>
      )}
    </a>
  );
}
