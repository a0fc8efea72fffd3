import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Value } from 'typebox/value';
import { MONTH_MS, PairRecord, SavedPair } from '../../../../node/observe/canary/pair-record.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = 1_700_000_000_000 - (1_700_000_000_000 % HOUR);

test('each span counts what lies in it', () => {
  const record = new PairRecord();
  for (let hour = 0; hour < 50; hour++) {
    record.note(START + hour * HOUR, 10);
    record.note(START + hour * HOUR + MINUTE, undefined);
  }
  const { hour, day, month } = record.figures(START + 49 * HOUR + 30 * MINUTE);
  assert.deepEqual([hour.sent, hour.arrived, hour.availability], [2, 1, 0.5]);
  assert.deepEqual([day.sent, month.sent], [50, 100]);
  assert.ok(Math.abs((month.latencyMs?.p99 ?? 0) - 10) < 1.3);
  assert.equal(record.figures(START + 60 * HOUR).hour.availability, undefined, 'nothing was due then');
});

test('what was lost is not lately lost for longer than minutes', () => {
  const record = new PairRecord();
  const lately: (number | undefined)[] = [];
  for (let minute = 0; minute < 40; minute++) {
    if (minute < 20) record.note(START + minute * MINUTE, minute < 10 ? undefined : 10);
    lately.push(record.figures(START + minute * MINUTE).lately.availability);
  }
  assert.deepEqual([lately[9], lately[12], lately[15], lately[39]], [0, 0.5, 1, undefined]);
});

test('a month of probes every five seconds stays small, and is the same when it was saved', () => {
  const record = new PairRecord();
  for (let at = START; at < START + 35 * 24 * HOUR; at += 15_000) record.note(at, 1 + ((at / 15_000) % 40));
  const saved: unknown = JSON.parse(JSON.stringify(record.save()));
  assert.ok(Value.Check(SavedPair, saved));
  assert.ok(saved.minutes.length <= 61 && saved.hours.length <= MONTH_MS / HOUR + 1);
  assert.ok(JSON.stringify(saved).length < 250_000, `${JSON.stringify(saved).length} bytes`);
  const now = START + 35 * 24 * HOUR;
  assert.deepEqual(new PairRecord(saved).figures(now), record.figures(now));
});

test('a clock that jumps costs no more than what it passed over', () => {
  const record = new PairRecord();
  record.note(START + HOUR, 10);
  record.note(START + HOUR - 10 * MINUTE, 10);
  assert.equal(record.figures(START + HOUR).hour.sent, 2, 'set back a little');
  record.note(START + 100 * MONTH_MS, 10);
  assert.equal(record.figures(START + 100 * MONTH_MS).month.sent, 1, 'far ahead');
  record.note(START + HOUR, 10);
  assert.equal(record.figures(START + HOUR).hour.sent, 1, 'and back again');
});
