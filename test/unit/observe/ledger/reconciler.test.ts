import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Reconciler } from '../../../../node/observe/ledger/reconciler.ts';
import { Questions } from '../../../../node/observe/questions.ts';
import { ack, at, entry, frame, Kept, LANE, LIFE, linkUp, opened, SENDER } from './ledgers.ts';

const MINUTE = 60_000;

/** A sender and a receiver that ask each other; the link can be cut. */
class Pair {
  readonly s = new Kept(SENDER, LIFE);
  readonly r = new Kept('r1', 3);
  readonly said: string[] = [];
  readonly reconciler: Reconciler;
  isCut = false;
  now = 0;
  readonly #t: TestContext;

  constructor(t: TestContext) {
    this.#t = t;
    const [ofS, ofR] = [new Questions(), new Questions()];
    ofS.through({
      ask: (_peer, question) =>
        this.isCut
          ? Promise.reject(new Error('there is no link to it'))
          : ofR.answer(SENDER, question, 1_000_000),
    });
    const ports = {
      clock: { wall: () => 1_000 + this.now, monotonic: () => this.now },
      random: () => 0.5,
      log: { warn: (_fields: object, message: string) => void this.said.push(message) },
    };
    this.reconciler = new Reconciler({ self: SENDER }, { ...this.s.ports, ...ports, questions: ofS });
    new Reconciler({ self: 'r1' }, { ...this.r.ports, ...ports, questions: ofR });
    this.s.told = this.reconciler.differs;
    this.s.linked = ['r1'];
    this.s.heard(linkUp('r1', 3));
    this.r.heard(linkUp(SENDER, LIFE));
    this.s.writes(opened(), entry(1, 9));
  }

  /** `landed` of what was sent. */
  send(from: number, to: number, landed = from): void {
    this.s.did({ kind: 'data', peer: 'r1', message: frame(from, to) });
    this.r.heard({ kind: 'messages', peer: SENDER, messages: [frame(landed, to)] });
    this.r.writes({ op: 'mark', sender: SENDER, ...LANE, position: at(to) });
    this.s.heard(ack('r1', to));
  }

  async passes(ms: number): Promise<void> {
    for (const end = this.now + ms; this.now < end;) {
      this.now += 1_000;
      this.#t.mock.timers.tick(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  checks(outcome: string): number {
    const checks = this.reconciler.metrics().find(({ name }) => name === 'ledger_checks_total');
    return checks?.samples.find(({ labels }) => labels['outcome'] === outcome)?.value ?? 0;
  }
}

test('when asked it says between which sequences nothing was lost', async (t) => {
  const pair = new Pair(t);
  assert.equal((await pair.reconciler.verify()).links[0]?.verdict.outcome, 'agrees');
  pair.send(1, 5);
  const { mesher, links } = await pair.reconciler.verify();
  assert.deepEqual([mesher, links.length], [SENDER, 1]);
  const [link] = links;
  assert.deepEqual(link?.verdict, {
    at: 1_000,
    outcome: 'agrees',
    text: 'nothing lost between sequence 1 and 9 of lane c:b:0 (out)',
  });
  assert.deepEqual([link.lanes[0]?.sent, link.lanes[0]?.acked, link.lanes[0]?.received], [5, 5, 5]);
  assert.deepEqual(pair.reconciler.verdictOf('r1'), link.verdict);
});

test('what differs is said in the verdict, in the log once, and as a metric, and stays', async (t) => {
  const pair = new Pair(t);
  pair.send(1, 5, 2);
  const [link] = (await pair.reconciler.verify()).links;
  assert.equal(link?.verdict.outcome, 'differs');
  assert.match(link.verdict.text, /^sequence 1 of lane c:b:0 were acked by r1, which has not taken them$/);
  assert.equal(link.lanes[0]?.difference, link.verdict.text);
  assert.equal((await pair.reconciler.verify()).links[0]?.verdict.outcome, 'differs');
  assert.deepEqual(pair.said, [`ledger: ${link.verdict.text}`]);
  const found = pair.reconciler.metrics().find(({ name }) => name === 'ledger_differences');
  assert.equal(found?.samples.find(({ labels }) => labels['kind'] === 'not-taken')?.value, 1);
});

test('who cannot be asked is unknown, and what was acked is looked into later', async (t) => {
  const pair = new Pair(t);
  pair.isCut = true;
  pair.send(1, 5, 2);
  const [link] = (await pair.reconciler.verify()).links;
  assert.deepEqual(
    [link?.verdict.outcome, link?.verdict.text],
    ['unknown', 'r1 could not be asked: there is no link to it'],
  );
  pair.isCut = false;
  assert.equal((await pair.reconciler.verify()).links[0]?.verdict.outcome, 'differs');
});

test('each link is compared every minute', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const pair = new Pair(t);
  pair.reconciler.start();
  assert.equal(pair.reconciler.verdictOf('r1'), undefined);
  await pair.passes(MINUTE);
  assert.equal(pair.checks('agrees'), 1);
  await pair.passes(10 * MINUTE);
  assert.ok(pair.checks('agrees') >= 10 && pair.checks('agrees') <= 11);
  pair.s.linked = [];
  pair.reconciler.stop();
  await pair.passes(2 * MINUTE);
  assert.ok(pair.checks('agrees') <= 11);
});
