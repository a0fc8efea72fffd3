import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Overview } from '../../../node/core/overview.ts';
import { type FrameOptions, scrollMax, TABS, topFrame } from '../../../node/commands/top-frame.ts';
import { keysOf } from '../../../node/commands/tty-screen.ts';
import { AT, facts, HOUR_AGO, link, mesher, silentMesher, subscription } from '../observe/facts.ts';

const WRONG =
  'The link between mesher a1 of a and mesher b1 of b is down since long ago: nothing was heard of it for 15 s.';

const overview: Overview = {
  ...facts({
    meshers: [
      mesher('a1', 'aws-eu-west-1', {
        rates: { published: 40, delivered: 3.14, forwarded: 80, landed: 0 },
        queued: 12_345,
      }),
      silentMesher('b1', 'b\u001b[31m', 'alive', 'there is no link to it'),
    ],
    links: [link('a1', 'b1', { state: 'down', why: 'nothing heard' }), link('b1', 'a1')],
    subscriptions: [
      subscription('billing', { depth: 5, oldestAt: HOUR_AGO, stuck: 'nobody takes them' }),
      subscription('$dead-letters'),
    ],
  }).overview,
  alarms: [
    { severity: 'critical', code: 'link-down', text: WRONG, help: 'See both logs.', since: AT, about: {} },
  ],
  clusters: [],
  topics: Array.from({ length: 50 }, (_, at) => ({
    topic: `orders/${at}/created`,
    publishedPerSecond: at,
    published: at,
    publishers: [],
    listeners: [],
  })),
  cut: { topics: 4_711 },
};

const options: FrameOptions = {
  columns: 80,
  rows: undefined,
  tab: 'all',
  scroll: 0,
  isColoured: false,
  trouble: '',
};
const frame = (changed: Partial<FrameOptions> = {}): string =>
  topFrame(overview, { ...options, ...changed }).join('\n');

suite('causeway top', () => {
  test('says what is wrong first, then what there is', () => {
    const text = frame();
    assert.match(text, /^causeway acme: 0 clusters, 2 meshers, 1 silent · registry up · 17:30:00 UTC\n/);
    assert.match(text, /published 40\/s · crossed 0\/s · delivered 3\/s · queued 12,345/);
    assert.match(text, /‼ The link between .*\n.*15 s\.\n {2}See both logs\./);
    assert.match(text, /aws-eu-west-1 +a1 +ready +40 +3\.1/);
    assert.match(text, /silent +there is no link to it/);
    assert.match(text, /down .*nothi/);
    assert.match(text, /billing +a +orders\/# +stream +- +5 +1 h +nobody takes/);
    assert.ok(!text.includes('$dead-letters'), 'what is empty and always there is left out');
    assert.ok(!text.includes('\u001b'), 'what comes from meshers does not steer the terminal');
  });

  test('never goes beyond the terminal, and fills it', () => {
    for (const columns of [20, 40, 80, 200])
      for (const tab of TABS) {
        const lines = topFrame(overview, { ...options, columns, rows: 24, tab });
        assert.equal(lines.length, 24);
        for (const line of lines) assert.ok(Array.from(line).length <= columns, line);
      }
  });

  test('is scrolled as far as there is something, and says how much was cut', () => {
    const topics = { tab: 'topics', rows: 24 } as const;
    assert.match(frame(topics), /orders\/0\/created/);
    const most = scrollMax(overview, { ...options, ...topics });
    assert.ok(most > 0);
    const last = frame({ ...topics, scroll: most });
    assert.match(last, /orders\/49\/created/);
    assert.match(last, /of 4,711 in all/);
    assert.equal(frame({ ...topics, scroll: 1e9 }), last);
  });

  test('has colours where they are wanted only', () => {
    // eslint-disable-next-line no-control-regex -- that is what is looked for
    assert.match(frame({ isColoured: true }), /\u001b\[31m‼/);
    assert.ok(!frame({ trouble: 'connection lost' }).includes('\u001b'));
  });

  test('says when the mesher is gone', () => {
    assert.match(
      frame({ trouble: 'no mesher at http://x (connection refused)' }),
      /\nno mesher at http:\/\/x/,
    );
  });

  test('tells keys apart that come together', () => {
    assert.deepEqual(keysOf('q\t\u001b[A\u001b[6~\u001bOBj'), [
      'q',
      '\t',
      '\u001b[A',
      '\u001b[6~',
      '\u001bOB',
      'j',
    ]);
  });
});
