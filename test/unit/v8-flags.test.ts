import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { GROWTH_FLAG, V8_FLAGS, YOUNG_HALF_BYTES } from '../../node/v8-flags.ts';

test('this V8 knows the flags: it would ignore one that it does not', () => {
  const known = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
  for (const flag of [...V8_FLAGS, GROWTH_FLAG])
    assert.match(known, new RegExp(`^ +${flag.replace(/=.*/, '')} \\(`, 'm'));
});

test('much memory that is let go at once does not collect the whole heap again and again', () => {
  const script = `
    const { setV8Flags } = await import(process.argv[1]);
    if (process.argv[2] === 'set') setV8Flags();
    const { PerformanceObserver, constants } = await import('node:perf_hooks');
    let major = 0;
    new PerformanceObserver((list) => {
      for (const { detail } of list.getEntries()) if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) major++;
    }).observe({ entryTypes: ['gc'] });
    for (let i = 0; i < 80_000; i++) {
      Buffer.allocUnsafeSlow(65_536);
      if (i % 100 === 0) await new Promise(setImmediate);
    }
    console.log(major);`;
  const module = new URL('../../node/v8-flags.ts', import.meta.url).href;
  const majors = (how: string): number =>
    Number(
      execFileSync(process.execPath, ['--input-type=module', '-e', script, module, how], {
        encoding: 'utf8',
      }),
    );
  const [before, after] = [majors('leave'), majors('set')];
  assert(after * 2 < before, `${before} times without the flags, ${after} with them`);
});

test('the young generation stays small, however much is made and outlives a collection, and grows again', () => {
  const script = `
    const { setV8Flags } = await import(process.argv[1]);
    if (process.argv[2] === 'set') setV8Flags();
    const { getHeapSpaceStatistics } = await import('node:v8');
    const kept = [];
    let most = 0;
    for (let i = 0; i < 3_000_000; i++) {
      kept[i % 100_000] = { i, text: String(i) };
      if (i % 10_000 > 0) continue;
      await new Promise(setImmediate);
      most = Math.max(most, getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size);
    }
    console.log(most);`;
  const module = new URL('../../node/v8-flags.ts', import.meta.url).href;
  const most = (how: string): number =>
    Number(
      execFileSync(process.execPath, ['--input-type=module', '-e', script, module, how], {
        encoding: 'utf8',
      }),
    );
  const [before, after] = [most('leave'), most('set')];
  assert(after * 2 < before, `${before} bytes without the bound, ${after} with it`);
  assert(after >= YOUNG_HALF_BYTES, `${after} bytes`);
});
