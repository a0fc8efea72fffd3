import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { sumOfCalls } from '../../bench/harness/fsyncs.ts';
import { Latencies } from '../../bench/harness/latencies.ts';
import { dueUs, saturate } from '../../bench/harness/load.ts';
import { chooseMount } from '../../bench/harness/machine.ts';
import { cpuUsOf, rssMaxBytesOf } from '../../bench/harness/proc.ts';

suite('what the kernel says', () => {
  test('of CPU time counts own and waited-for children, whatever the process is called', () => {
    const rest = 'S 1 1 1 0 -1 4194304 100 0 0 0 11 22 3 4 20 0 7 0 12345 1000000';
    assert.equal(cpuUsOf(`77 (node) ${rest}`), 400_000);
    assert.equal(cpuUsOf(`77 (a) b (c) ${rest}`), 400_000);
  });

  test('of memory is the high-water mark', () => {
    assert.equal(rssMaxBytesOf('VmPeak:\t  99 kB\nVmHWM:\t     512 kB\nVmRSS:\t  10 kB\n'), 512 * 1024);
  });

  test('of mounts gives the file system nearest above a folder', () => {
    const mounts = '/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/disk xfs rw 0 0\n';
    assert.equal(chooseMount(mounts, '/home/x'), 'ext4');
    assert.equal(chooseMount(mounts, '/tmp/x'), 'tmpfs');
    assert.equal(chooseMount(mounts, '/tmp/disk'), 'xfs');
    assert.equal(chooseMount(mounts, '/tmpx'), 'ext4');
    assert.equal(chooseMount('', '/x'), 'unknown');
  });

  test('of calls, as strace prints them, is their sum without the line of the total', () => {
    const table = `strace: Process 7 attached with 11 threads
syscall     calls
----------------- ---------
fdatasync             120
fsync                   3
----------------- ---------
total                 123
`;
    assert.equal(sumOfCalls(table), 123);
    assert.equal(sumOfCalls(''), 0);
  });
});

suite('a histogram of latencies', () => {
  test('keeps three digits, and counts what is below and above its range at its ends', () => {
    const latencies = new Latencies();
    for (let us = 1; us <= 10_000; us++) latencies.add(us * 10);
    const { count, p50Ms, p99Ms, p999Ms } = latencies.figures();
    assert.equal(count, 10_000);
    for (const [got, expected] of [
      [p50Ms, 50],
      [p99Ms, 99],
      [p999Ms, 99.9],
    ] as const)
      assert.ok(Math.abs(got / expected - 1) < 0.002, `${got} for ${expected}`);
    latencies.add(-5);
    latencies.add(1e12);
    assert.equal(latencies.count, 10_002);
  });

  test('of nothing has no placeholders', () => {
    assert.deepEqual(new Latencies().figures(), {
      count: 0,
      p50Ms: 0,
      p90Ms: 0,
      p99Ms: 0,
      p999Ms: 0,
      maxMs: 0,
    });
  });
});

suite('load', () => {
  test('is due at its rate, on the grid and never before', () => {
    const schedule = { startUs: 1000, ratePerS: 3000, everyUs: 500 };
    assert.equal(dueUs(schedule, 0), 1000);
    assert.deepEqual(
      [1, 2, 3, 6].map((n) => dueUs(schedule, n)),
      [1500, 2000, 2000, 3000],
    );
  });

  test('that saturates keeps as many under way as asked, never more, and gives each number once', async () => {
    const numbers = new Set<number>();
    let [underWay, most] = [0, 0];
    const { done } = await saturate({
      seconds: 0.05,
      concurrency: 7,
      send: async (n) => {
        assert.ok(!numbers.has(n));
        numbers.add(n);
        most = Math.max(most, ++underWay);
        await new Promise((resolve) => setImmediate(resolve));
        underWay--;
      },
    });
    assert.equal(most, 7);
    assert.equal(done, numbers.size);
    assert.equal(Math.max(...numbers), done - 1);
  });

  test('that saturates ends with the first failure', async () => {
    const send = async (n: number): Promise<void> => {
      if (n === 3) throw new Error('refused');
    };
    await assert.rejects(saturate({ seconds: 60, concurrency: 2, send }), /refused/);
  });
});
