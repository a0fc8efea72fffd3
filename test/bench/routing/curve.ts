// The curves of docs/routing.svg: three panels, both axes logarithmic, computed lines and simulated dots. Pure.

export interface Curve {
  readonly name: string;
  /** Clusters and value. */
  readonly line: readonly (readonly [number, number])[];
  readonly dots: readonly (readonly [number, number])[];
}

export interface Panel {
  readonly title: string;
  /** How a value on the axis reads. */
  readonly show: (value: number) => string;
  readonly curves: readonly Curve[];
}

const WIDTH = 420;
const HEIGHT = 330;
const LEFT = 64;
const RIGHT = 20;
const TOP = 34;
const BOTTOM = 96;
const COLOURS = ['#1b6ca8', '#d1495b', '#2e8b57', '#8d5a97', '#c77b0a'];

export function drawCurves(panels: readonly Panel[]): string {
  const parts = panels.map((panel, i) => `<g transform="translate(${i * WIDTH} 0)">${drawPanel(panel)}</g>`);
  const width = panels.length * WIDTH;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${HEIGHT}" font-family="sans-serif" font-size="11">
<rect width="${width}" height="${HEIGHT}" fill="#fff"/>
${parts.join('\n')}
</svg>
`;
}

type Scale = (value: number) => number;

function drawPanel({ title, show, curves }: Panel): string {
  const points = curves.flatMap(({ line, dots }) => [...line, ...dots]);
  const [x0, x1] = decades(points.map(([x]) => x));
  const [y0, y1] = decades(points.map(([, y]) => y));
  const x = scale(x0, x1, LEFT, WIDTH - RIGHT);
  const y = scale(y0, y1, HEIGHT - BOTTOM, TOP);
  return [
    `<text x="${LEFT}" y="18" font-weight="bold">${title}</text>`,
    ...powers(x0, x1).map((value) => {
      const label = `<text x="${at(x(value))}" y="${HEIGHT - BOTTOM + 15}" text-anchor="middle">${value.toLocaleString('en')}</text>`;
      return rule(x(value), TOP, x(value), HEIGHT - BOTTOM) + label;
    }),
    ...powers(y0, y1).map((value) => {
      const label = `<text x="${LEFT - 6}" y="${at(y(value) + 4)}" text-anchor="end">${show(value)}</text>`;
      return rule(LEFT, y(value), WIDTH - RIGHT, y(value)) + label;
    }),
    `<text x="${WIDTH - RIGHT}" y="${HEIGHT - BOTTOM + 30}" text-anchor="end">clusters</text>`,
    ...curves.map((curve, i) => drawCurve(curve, COLOURS[i % COLOURS.length] ?? '#000', i, x, y)),
  ].join('\n');
}

function drawCurve({ name, line, dots }: Curve, colour: string, i: number, x: Scale, y: Scale): string {
  const path = line.map(([px, py], n) => `${n === 0 ? 'M' : 'L'}${at(x(px))} ${at(y(py))}`).join('');
  const legend = { x: LEFT + (i % 2) * 170, y: HEIGHT - BOTTOM + 50 + Math.floor(i / 2) * 16 };
  return [
    `<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>`,
    ...dots.map(([px, py]) => `<circle cx="${at(x(px))}" cy="${at(y(py))}" r="3.5" fill="${colour}"/>`),
    `<rect x="${legend.x}" y="${legend.y - 8}" width="12" height="3" fill="${colour}"/>`,
    `<text x="${legend.x + 18}" y="${legend.y - 2}">${name}</text>`,
  ].join('\n');
}

function rule(x1: number, y1: number, x2: number, y2: number): string {
  return `<path d="M${at(x1)} ${at(y1)}L${at(x2)} ${at(y2)}" stroke="#ddd"/>`;
}

function scale(from: number, to: number, start: number, end: number): Scale {
  const share = (value: number): number => Math.log(value / from) / Math.log(to / from);
  return (value) => start + share(value) * (end - start);
}

/** The powers of ten about all values. */
function decades(values: readonly number[]): readonly [number, number] {
  const low = Math.floor(Math.log10(Math.min(...values)));
  return [10 ** low, 10 ** Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))))];
}

function powers(from: number, to: number): number[] {
  const values: number[] = [];
  for (let value = from; value <= to * 1.001; value *= 10) values.push(value);
  return values;
}

function at(value: number): string {
  return String(Math.round(value * 10) / 10);
}
