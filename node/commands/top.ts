// `causeway top`: the federation as it is now, again every two seconds, in a terminal.

import type { Overview } from '../core/overview.ts';
import { Api, urlFlag } from './api.ts';
import type { Command, Screen, Terminal } from './command.ts';
import { overviewOf, watchOverviews } from './overview-stream.ts';
import { type FrameOptions, scrollMax, type Tab, TABS, topFrame } from './top-frame.ts';

const HOME = '\x1b[H';
const TO_LINE_END = '\x1b[K';
const TO_SCREEN_END = '\x1b[J';

/** What keys send, as most terminals do. */
const KEYS = {
  quit: ['q', 'Q', '\x03', '\x04'],
  next: ['\t', '\x1b[C'],
  before: ['\x1b[Z', '\x1b[D'],
  up: ['\x1b[A', '\x1bOA', 'k'],
  down: ['\x1b[B', '\x1bOB', 'j'],
  pageUp: ['\x1b[5~'],
  pageDown: ['\x1b[6~', ' '],
  top: ['\x1b[H', '\x1b[1~', 'g'],
} as const;

export const command: Command = {
  name: 'top',
  summary: 'shows the whole federation, what is wrong first, again every two seconds',
  usage: '[--once] [--url url]',
  description:
    'Meshers, links, subscriptions, topics and alarms, as one mesher gathers them from all. Keys: q quits, tab and the arrows to the side go to\n' +
    'the next part, those up and down scroll. Colours are left out where NO_COLOR is set, or stdout is no terminal.\n' +
    'With --once, or where there is no terminal, one picture is printed; the exit code is then 4 where an alarm is critical, for scripts.',
  positionals: { min: 0, max: 0 },
  flags: {
    once: { value: undefined, description: 'Prints one picture and ends.' },
    url: urlFlag,
  },
  examples: ['causeway top', 'causeway top --once --url http://10.0.0.5:7400'],
  async run(args, terminal) {
    const api = Api.at(args.text('url'), terminal.env);
    const first = overviewOf(await api.get('/v1/overview', { signal: terminal.stop }), api.url);
    const { screen } = terminal;
    if (args.has('once') || !screen) return printOnce(first, terminal);
    const isColoured = coloured(terminal);
    await new Top(api, screen, terminal, first, isColoured).run();
    return 0;
  },
};

function coloured({ env, stdout }: Terminal): boolean {
  return stdout.isTty && !env['NO_COLOR'];
}

async function printOnce(overview: Overview, terminal: Terminal): Promise<number> {
  const { stdout } = terminal;
  const lines = topFrame(overview, {
    columns: stdout.columns(),
    rows: undefined,
    tab: 'all',
    scroll: 0,
    isColoured: coloured(terminal),
    trouble: '',
  });
  await stdout.write(`${lines.join('\n')}\n`);
  return overview.alarms.some(({ severity }) => severity === 'critical') ? 4 : 0;
}

class Top {
  readonly #api: Api;
  readonly #screen: Screen;
  readonly #terminal: Terminal;
  readonly #isColoured: boolean;
  #overview: Overview;
  #tab: Tab = 'all';
  #scroll = 0;
  #trouble = '';

  constructor(api: Api, screen: Screen, terminal: Terminal, overview: Overview, isColoured: boolean) {
    this.#api = api;
    this.#screen = screen;
    this.#terminal = terminal;
    this.#overview = overview;
    this.#isColoured = isColoured;
  }

  async run(): Promise<void> {
    const end = new AbortController();
    const signal = AbortSignal.any([end.signal, this.#terminal.stop]);
    const giveBack = this.#screen.take({
      key: (key) => {
        if (isKey('quit', key)) end.abort();
        else this.#pressed(key);
      },
      resized: () => this.#draw(),
    });
    try {
      this.#draw();
      const events = {
        shown: (overview: Overview): void => {
          this.#overview = overview;
          this.#draw();
        },
        trouble: (why: string): void => {
          if (why === this.#trouble) return;
          this.#trouble = why;
          this.#draw();
        },
      };
      await watchOverviews(this.#api, events, signal);
    } finally {
      giveBack();
    }
  }

  #pressed(key: string): void {
    const at = TABS.indexOf(this.#tab);
    const page = Math.max(1, this.#screen.rows() - 6);
    const moves: readonly (readonly [keyof typeof KEYS, () => void])[] = [
      ['next', () => this.#show(TABS[(at + 1) % TABS.length])],
      ['before', () => this.#show(TABS[(at + TABS.length - 1) % TABS.length])],
      ['up', () => this.#scrollBy(-1)],
      ['down', () => this.#scrollBy(1)],
      ['pageUp', () => this.#scrollBy(-page)],
      ['pageDown', () => this.#scrollBy(page)],
      ['top', () => this.#scrollBy(-Infinity)],
    ];
    for (const [name, move] of moves) if (isKey(name, key)) move();
    this.#draw();
  }

  #show(tab: Tab = 'all'): void {
    this.#tab = tab;
    this.#scroll = 0;
  }

  #scrollBy(lines: number): void {
    this.#scroll = Math.max(0, Math.min(this.#scroll + lines, scrollMax(this.#overview, this.#options())));
  }

  #options(): FrameOptions {
    return {
      columns: this.#terminal.stdout.columns(),
      rows: this.#screen.rows(),
      tab: this.#tab,
      scroll: this.#scroll,
      isColoured: this.#isColoured,
      trouble: this.#trouble,
    };
  }

  /** In place, line by line, so that nothing flickers. */
  #draw(): void {
    const lines = topFrame(this.#overview, this.#options());
    const text = lines.map((line) => line + TO_LINE_END).join('\r\n');
    void this.#terminal.stdout.write(`${HOME}${text}${TO_SCREEN_END}`);
  }
}

function isKey(name: keyof typeof KEYS, key: string): boolean {
  const keys: readonly string[] = KEYS[name];
  return keys.includes(key);
}
