// Giving up a journal, whatever step a crash comes before: the next start, which may reach no registry, finds the old name with
// the old journal, or the new name without it, and never anything in between.

import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import pino from 'pino';
import { CorruptionError } from '../../node/journal/bytes.ts';
import { LevelCopies } from '../../node/journal/level-copies.ts';
import { openLevelJournal } from '../../node/journal/level-journal.ts';
import {
  copiesIn,
  finishGivingUp,
  formerNames,
  giveUpJournal,
  handOverJournal,
  journalIn,
} from '../../node/lost-journal.ts';
import { loadOrCreateKeys } from '../../node/net/keys.ts';
import { storedEvents } from '../support/events.ts';
import { wants } from '../contracts/journal-contract.ts';

const log = pino({ level: 'silent' });
const real = { ...fs.promises };
/** What changes a disk; all that is under way in a file that is open is lost with it. */
const CHANGES = ['rename', 'rm', 'mkdir', 'open'] as const;
const CRASHED = 'the process is gone';

/** Runs `work` in a process that is gone at its change of the disk with this number, from 0; resolves to whether it came so far. */
async function crashingAt(number: number, work: () => Promise<unknown>): Promise<boolean> {
  let left = number;
  const gone = (): void => {
    if (left-- <= 0) throw new Error(CRASHED);
  };
  for (const name of CHANGES)
    Object.assign(fs.promises, {
      [name]: async (...given: never[]) => {
        gone();
        return (real[name] as (...all: never[]) => Promise<unknown>)(...given);
      },
    });
  syncBuiltinESMExports();
  try {
    await work();
  } catch (error) {
    for (let cause = error; cause instanceof Error; cause = cause.cause)
      if (cause.message === CRASHED) return true;
    throw error;
  } finally {
    Object.assign(fs.promises, real);
    syncBuiltinESMExports();
  }
  return false;
}

interface Case {
  readonly what: string;
  /** What the journal has when the mesher finds that it must give it up. */
  readonly damage?: (journal: string) => Promise<void>;
  readonly giveUp: (data: string, node: string) => Promise<void>;
  readonly becomes: 'a copy' | 'put aside';
}

const damaged = new CorruptionError('block 1: the checksum is wrong');
const handOver = (data: string, node: string): Promise<void> =>
  handOverJournal({ data, replicas: 2 }, node, log);

const CASES: readonly Case[] = [
  { what: 'a sound journal of a mesher that was taken over', giveUp: handOver, becomes: 'a copy' },
  {
    what: 'a damaged journal of a mesher that was taken over',
    damage: async (journal) => {
      await real.writeFile(join(journal, 'CURRENT'), 'nonsense');
    },
    giveUp: handOver,
    becomes: 'put aside',
  },
  {
    what: 'a damaged journal of which others have copies',
    giveUp: async (data, node) => {
      await real.writeFile(join(data, 'copied'), JSON.stringify({ node, holders: ['12D3KooWHolder'] }));
      await giveUpJournal({ data, replicas: 2 }, node, damaged, log);
    },
    becomes: 'put aside',
  },
];

for (const { what, damage, giveUp, becomes } of CASES) {
  test(`${what} is given up wholly or not at all, whatever step a crash comes before`, async (t) => {
    const base = await mkdtemp(join(tmpdir(), 'lost-journal-'));
    t.after(() => rm(base, { recursive: true, force: true }));
    const outcomes = new Set<string>();
    let hasCrashed = true;
    for (let at = 0; hasCrashed; at++) {
      const data = join(base, `${at}`);
      const { node } = await loadOrCreateKeys(data);
      await fill(journalIn(data));
      await damage?.(journalIn(data));
      hasCrashed = await crashingAt(at, () => giveUp(data, node));
      // the start after it is gone, too, at each of its steps
      for (let step = 0; await crashingAt(step, () => finishGivingUp(data)); step++);
      const now = (await loadOrCreateKeys(data)).node;
      outcomes.add(now === node ? 'as it was' : 'given up');
      if (now === node) {
        assert.ok(hasCrashed);
        await access(journalIn(data));
        assert.deepEqual(await formerNames(data), []);
        await giveUp(data, node); // the registry is asked again
      }
      await checkGivenUp(data, node, becomes);
    }
    assert.deepEqual(
      [...outcomes],
      ['as it was', 'given up'],
      'crashes came before and after the point of no return',
    );
  });
}

async function fill(dir: string): Promise<void> {
  const journal = await openLevelJournal(dir);
  await journal.recover();
  await journal.append(
    [
      { op: 'queue', queue: 1, name: 's:a' },
      { op: 'block', block: 1, events: storedEvents(3) },
      { op: 'entry', queue: 1, block: 1, entry: wants(0, 1, 2) },
    ],
    true,
  );
  await journal.close();
}

async function checkGivenUp(data: string, node: string, becomes: Case['becomes']): Promise<void> {
  assert.notEqual((await loadOrCreateKeys(data)).node, node, 'it has another name');
  await access(join(data, `node.key.taken-over-${node}`));
  assert.deepEqual(await formerNames(data), [node]);
  const names = await real.readdir(data);
  for (const gone of ['journal', 'given-up', 'copied']) assert.ok(!names.includes(gone), `${gone} is gone`);
  const aside = names.filter((name) => name.startsWith('journal.damaged-'));
  const { store, copies } = await LevelCopies.open(copiesIn(data));
  try {
    assert.deepEqual(
      copies.map(({ owner }) => owner),
      becomes === 'a copy' ? [node] : [],
    );
    assert.equal(aside.length, becomes === 'a copy' ? 0 : 1);
    if (becomes !== 'a copy') return;
    const { queues } = await store.read(node);
    assert.deepEqual(
      queues.map(({ blocks }) => [...blocks].map(({ block }) => block)),
      [[1]],
    );
    assert.equal((await store.load(node, 1, [1]))[0]?.events.length, 3);
  } finally {
    await store.close();
  }
}
