import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AlarmMemory, findAlarms, type AlarmFacts } from '../../../node/observe/alarms.ts';
import { whySlow } from '../../../node/observe/own-links.ts';
import { whyStuck, type StuckFacts } from '../../../node/observe/own-subscriptions.ts';
import { AT, facts, HOUR_AGO, link, mesher, silentMesher, subscription } from './facts.ts';

const down = { state: 'down', roundTripMs: undefined } as const;
const canary = (arrived: number) => {
  const figures = { sent: 10, arrived, availability: arrived / 10, latencyMs: undefined };
  return [
    { from: 'a', to: 'b', lastAt: HOUR_AGO, lately: figures, hour: figures, day: figures, month: figures },
  ];
};
const ledger = { at: HOUR_AGO, outcome: 'differs' as const, text: 'lane 3: 4711 sent, 4710 received' };

/** What is wrong → the one alarm that says so. */
const CASES: readonly (readonly [
  what: string,
  given: AlarmFacts,
  severity: 'critical' | 'warning',
  code: string,
  text: RegExp,
])[] = [
  [
    'a link is down, as both ends say',
    facts({
      links: [
        link('a1', 'b1', { ...down, why: 'nothing heard for 15 s', since: HOUR_AGO, queued: 7 }),
        link('b1', 'a1', { ...down, why: 'connection reset', since: HOUR_AGO + 1_000 }),
      ],
    }),
    'critical',
    'link-down',
    /^The link between mesher a1 of a and mesher b1 of b is down since 2026-01-31 16:30:00 UTC: mesher a1 of a says "nothing heard for 15 s", mesher b1 of b says "connection reset"; 7 events wait for it\.$/,
  ],
  [
    'a link is down between two others',
    facts({
      meshers: [mesher('a1', 'a'), mesher('b1', 'b'), mesher('c1', 'c')],
      links: [
        link('b1', 'c1', { ...down, why: 'it was not reached.' }),
        link('c1', 'b1', { ...down, why: 'it was not reached' }),
      ],
    }),
    'critical',
    'link-down',
    /between mesher b1 of b and mesher c1 of c is down since .*: it was not reached\.$/,
  ],
  [
    'a mesher is suspect: its links are not told of again',
    facts({
      meshers: [mesher('a1', 'a'), silentMesher('b1', 'b', 'suspect', 'there is no link to it')],
      links: [link('a1', 'b1', down)],
    }),
    'critical',
    'mesher-suspect',
    /^Mesher b1 of b is suspect: .* and there is no link to it\.$/,
  ],
  [
    'a mesher is dead',
    facts(
      {
        meshers: [mesher('a1', 'a'), silentMesher('b1', 'b', 'dead', 'there is no link to it')],
        links: [link('a1', 'b1', down)],
      },
      { statusSince: new Map([['b1', HOUR_AGO]]) },
    ),
    'critical',
    'mesher-dead',
    /^Mesher b1 of b is dead since 2026-01-31 16:30:00 UTC: /,
  ],
  [
    'a mesher is linked and says nothing',
    facts({ meshers: [mesher('a1', 'a'), silentMesher('b1', 'b', 'alive', 'its answer is none')] }),
    'warning',
    'mesher-silent',
    /its answer is none\.$/,
  ],
  [
    'a link is slow',
    facts({
      links: [link('a1', 'b1', { state: 'slow', why: 'a round trip takes 300 ms, and usually 20 ms' })],
    }),
    'warning',
    'link-slow',
    /from mesher a1 of a to mesher b1 of b is slow since .*: a round trip takes 300 ms, and usually 20 ms\.$/,
  ],
  [
    'routes are gapped',
    facts({ links: [link('a1', 'b1', { state: 'gapped', why: 'changes are missing' })] }),
    'warning',
    'routes-gapped',
    /does not know all routes of mesher b1 of b/,
  ],
  [
    'ledgers differ',
    facts({ links: [link('a1', 'b1', { ledger })] }),
    'critical',
    'ledger-differs',
    /4711 sent, 4710 received\.$/,
  ],
  [
    'some probes are lost',
    facts({ canaries: canary(8) }),
    'warning',
    'canary-failing',
    /Of 10 probes from a to b in the last five minutes 8 arrived/,
  ],
  ['most probes are lost', facts({ canaries: canary(1) }), 'critical', 'canary-failing', /1 arrived/],
  [
    'the registry is down',
    facts({ registry: { address: 'etcd://e1', state: 'down', revision: 1, sinceMs: 60_000 } }),
    'warning',
    'registry-down',
    /^The registry etcd:\/\/e1 cannot be reached since 2026-01-31 17:29:00 UTC, as mesher a1 of a sees it\.$/,
  ],
  [
    'a mesher is not ready',
    facts({ meshers: [mesher('a1', 'a', { ready: { ready: false, why: ['the disk is nearly full'] } })] }),
    'critical',
    'not-ready',
    /^Mesher a1 of a is not ready: the disk is nearly full\.$/,
  ],
  [
    'a disk is nearly full',
    facts({ meshers: [mesher('a1', 'a', { disk: { freeBytes: 5e8, journalBytes: 1e9, full: false } })] }),
    'warning',
    'disk-nearly-full',
    /477 MiB are free, and its journal takes 954 MiB/,
  ],
  [
    'a disk is full',
    facts({ meshers: [mesher('a1', 'a', { disk: { freeBytes: 1e7, journalBytes: 1e9, full: true } })] }),
    'critical',
    'disk-nearly-full',
    /refuses to be published to/,
  ],
  [
    'an event loop is late',
    facts({ meshers: [mesher('a1', 'a', { eventLoopDelayMs: { p50: 2, p99: 400 } })] }),
    'warning',
    'event-loop-late',
    /400 ms late/,
  ],
  [
    'copies are missing',
    facts({}, { reports: new Map([['b1', { droppedLately: {}, copiesWanted: 1 }]]) }),
    'critical',
    'copies-missing',
    /^Mesher b1 of b has 0 of 1 complete copies/,
  ],
  [
    'a subscriber is slow',
    facts(
      {},
      { reports: new Map([['b1', { droppedLately: { 'slow-subscriber': 12, loop: 3 }, copiesWanted: 0 }]]) },
    ),
    'warning',
    'subscriber-slow',
    /^In the last minute mesher b1 of b dropped 12 events/,
  ],
  [
    'there are dead letters',
    facts({ meshers: [mesher('a1', 'a', { deadLetters: 1 })] }),
    'warning',
    'dead-letters',
    /^1 event is a dead letter on mesher a1 of a/,
  ],
  [
    'a subscription is stuck',
    facts({
      subscriptions: [
        subscription('billing', {
          stuck: '3 events wait, and nobody takes them',
          via: 'nobody',
          oldestAt: HOUR_AGO,
        }),
      ],
    }),
    'warning',
    'subscription-stuck',
    /^Subscription billing \(orders\/#\) on mesher a1 of a does not keep up: 3 events wait, and nobody takes them; the oldest is of 2026-01-31 16:30:00 UTC\.$/,
  ],
];

test('where all is well nothing is said', () => {
  assert.deepEqual(findAlarms(facts()), []);
});

for (const [what, given, severity, code, text] of CASES)
  test(`is told: ${what}`, () => {
    const alarms = findAlarms(given);
    assert.deepEqual(
      alarms.map((alarm) => [alarm.severity, alarm.code]),
      [[severity, code]],
    );
    assert.match(alarms[0]?.text ?? '', text);
    for (const sentence of [alarms[0]?.text, alarms[0]?.help])
      assert.match(sentence ?? '', /^[A-Z0-9].*[^.]\.$/);
  });

test('what is not wrong for long, or cannot be known, is not told', () => {
  const young = mesher('a1', 'a', {
    upSince: AT - 5_000,
    ready: { ready: false, why: ['it is still starting'] },
  });
  const unmeasured = mesher('b1', 'b', { disk: { freeBytes: 0, journalBytes: 0, full: false } });
  const registry = { address: 'e', state: 'down', revision: 1, sinceMs: 1_000 } as const;
  const few = { sent: 2, arrived: 0, availability: 0, latencyMs: undefined };
  const canaries = [{ from: 'a', to: 'b', lastAt: 0, lately: few, hour: few, day: few, month: few }];
  assert.deepEqual(findAlarms(facts({ meshers: [young, unmeasured], registry, canaries })), []);
});

test('probes that were lost, and arrive again, are not told', () => {
  const bad = { sent: 600, arrived: 300, availability: 0.5, latencyMs: undefined };
  const good = { sent: 60, arrived: 60, availability: 1, latencyMs: undefined };
  const canaries = [{ from: 'a', to: 'b', lastAt: AT, lately: good, hour: bad, day: bad, month: bad }];
  assert.deepEqual(findAlarms(facts({ canaries })), []);
});

test('the worst is told first, whatever order it is found in', () => {
  const alarms = findAlarms(
    facts({
      meshers: [mesher('a1', 'a', { deadLetters: 3, ready: { ready: false, why: ['x'] } })],
      links: [link('a1', 'b1', { state: 'slow', why: 'x' })],
    }),
  );
  assert.deepEqual(
    alarms.map(({ code }) => code),
    ['not-ready', 'link-slow', 'dead-letters'],
  );
});

// 0.2 s for each such list before, every two seconds while somebody watches.
test('what a member says in a thousand blanks costs no more than other words', () => {
  const why = Array.from({ length: 500 }, () => `${' '.repeat(999)}x`);
  const given = facts({ meshers: [mesher('a1', 'a', { ready: { ready: false, why } })] });
  const began = performance.now();
  for (let i = 0; i < 1_000; i++) assert.equal(findAlarms(given).length, 1);
  assert.ok(performance.now() - began < 60_000);
});

test('since when an alarm stands is remembered where nobody says it, for as long as it stands', () => {
  const memory = new AlarmMemory();
  const wrong = findAlarms(facts({ meshers: [mesher('a1', 'a', { deadLetters: 1 })] }));
  const since = (at: number, alarms = wrong) => memory.date(alarms, at).map((alarm) => alarm.since);
  assert.deepEqual(since(100), [100]);
  assert.deepEqual(since(200), [100]);
  assert.deepEqual(since(300, []), []);
  assert.deepEqual(since(400), [400]);
});

test('a link is slow against what is usual for it, or when events wait', () => {
  assert.equal(whySlow(100, undefined, 0), '');
  assert.equal(whySlow(100, 80, 9_000), '');
  assert.equal(whySlow(10, 1, 0), '', 'ten times next to nothing is next to nothing');
  assert.match(whySlow(200, 50, 0), /takes 200 ms, and usually 50 ms/);
  assert.match(whySlow(undefined, undefined, 30_000), /waited for it for 30 s/);
});

test('a subscription is stuck for a reason', () => {
  const well: StuckFacts = {
    via: 'stream',
    depth: 10,
    inFlight: 5,
    maxInFlight: 5,
    waitedMs: 1_000,
    deliveredPerSecond: 3,
    failingMs: undefined,
    depthBefore: 9,
  };
  const cases: readonly (readonly [Partial<StuckFacts>, RegExp])[] = [
    [{}, /^$/],
    [{ waitedMs: 600_000 }, /^$/],
    [{ depth: 0, via: 'nobody', waitedMs: 600_000 }, /^$/],
    [
      { via: 'nobody', waitedMs: 600_000, inFlight: 0 },
      /10 events wait, the oldest for 10 min, and nobody takes them/,
    ],
    [{ via: 'webhook', failingMs: 40_000 }, /its webhook has taken none for 40 s/],
    [{ failingMs: 40_000 }, /failed with all they got/],
    [{ deliveredPerSecond: 0, waitedMs: 600_000 }, /have 5, all they may, in hand and settle none/],
    [{ deliveredPerSecond: 0, waitedMs: 600_000, inFlight: 0 }, /its consumers take none/],
    [{ depth: 20_000, depthBefore: 10_000 }, /it grows: 20000 events wait, 10000 more than a minute ago/],
  ];
  for (const [facts, said] of cases) assert.match(whyStuck({ ...well, ...facts }), said);
});
