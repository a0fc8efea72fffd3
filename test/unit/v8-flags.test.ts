import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { V8_FLAGS } from '../../node/v8-flags.ts';

test('this V8 knows the flags: it would ignore one that it does not', () => {
  const known = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
  for (const flag of V8_FLAGS) assert.match(known, new RegExp(`^ +${flag.replace(/=.*/, '')} \\(`, 'm'));
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
    for (let i = 0; i < 20_000; i++) {
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
