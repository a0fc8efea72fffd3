// Where the CPU of a run goes: samples the stacks of all its processes with perf (Linux), and shares them out among kinds of
// work. It costs a few percent of the run, so figures of a profiled run are not written down.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const SAMPLES_PER_S = 299;

export type Work =
  | 'LevelDB compaction'
  | 'LevelDB write'
  | 'LevelDB read'
  | 'garbage collection'
  | 'encryption'
  | 'checksums'
  | 'copying memory'
  | 'allocating memory'
  | 'kernel'
  | 'JavaScript and the rest';

/** By the first that matches: of the thread's name, of any function of the stack, of the innermost one. */
const KINDS: readonly (readonly [Work, 'thread' | 'stack' | 'innermost', RegExp])[] = [
  ['garbage collection', 'thread', /^V8/],
  [
    'garbage collection',
    'stack',
    /v8::internal::(Heap::(Collect|Perform|Scavenge|Mark)|Scaveng|MarkCompact|IncrementalMarking)/,
  ],
  [
    'LevelDB compaction',
    'stack',
    /leveldb::(DBImpl::(BackgroundC|BGWork|CompactMem|DoCompaction)|BuildTable)/,
  ],
  ['LevelDB write', 'stack', /leveldb::DBImpl::Write\b|leveldb::WriteBatch/],
  ['LevelDB read', 'stack', /leveldb::DBImpl::Get\b/],
  ['encryption', 'innermost', /chacha|poly1305|aes|gcm/i],
  ['checksums', 'innermost', /crc32/i],
  ['copying memory', 'innermost', /memmove|memcpy/],
  ['allocating memory', 'innermost', /malloc|_int_free|unlink_chunk|^free\b|calloc/],
  ['kernel', 'innermost', /\[kernel|\[vdso/],
];

/** `stack`: functions as `perf script` names them, the innermost first. */
export function workOf(thread: string, stack: readonly string[]): Work {
  for (const [work, where, pattern] of KINDS) {
    const texts = where === 'thread' ? [thread] : where === 'stack' ? stack : stack.slice(0, 1);
    if (texts.some((text) => pattern.test(text))) return work;
  }
  return 'JavaScript and the rest';
}

/** Time by process and kind of work, in the samples' own unit. */
export type Shares = Map<number, Map<Work, number>>;

/** Of the output of `perf script`: a line for each sample, then one for each function of its stack, then an empty one. */
export async function sharesOf(lines: AsyncIterable<string> | Iterable<string>): Promise<Shares> {
  const shares: Shares = new Map();
  let head: { thread: string; pid: number; period: number } | undefined;
  let stack: string[] = [];
  const close = (): void => {
    if (head) {
      const works = shares.get(head.pid) ?? new Map<Work, number>();
      const work = workOf(head.thread, stack);
      works.set(work, (works.get(work) ?? 0) + head.period);
      shares.set(head.pid, works);
    }
    head = undefined;
    stack = [];
  };
  for await (const line of lines) {
    const sample = /^\s*(\S.*?)\s+(\d+)\/\d+\s+(\d+)\b/.exec(line);
    if (line.trim() === '') close();
    else if (!head && sample)
      head = { thread: sample[1] ?? '', pid: Number(sample[2]), period: Number(sample[3]) };
    else stack.push(line.trim().replace(/^[0-9a-f]+\s+/, ''));
  }
  close();
  return shares;
}

/** Lines for people: of all time that was sampled, the part of each process, and of each kind of work in it, in percent. */
export function describeShares(shares: Shares, names: ReadonlyMap<number, string>): readonly string[] {
  const sumOf = (works: ReadonlyMap<Work, number>): number => [...works.values()].reduce((a, b) => a + b, 0);
  const whole = [...shares.values()].reduce((sum, works) => sum + sumOf(works), 0);
  const percent = (part: number): string => `${((100 * part) / whole).toFixed(1)} %`;
  return [...shares]
    .sort(([, a], [, b]) => sumOf(b) - sumOf(a))
    .map(([pid, works]) => {
      const parts = [...works]
        .sort(([, a], [, b]) => b - a)
        .map(([work, part]) => `${work} ${percent(part)}`);
      return `${names.get(pid) ?? pid} ${percent(sumOf(works))}: ${parts.join(', ')}`;
    });
}

let isAsked = false;

/** From now on, of every run. */
export function askForProfiles(): void {
  isAsked = true;
}

/** Samples these processes until what it resolves with is called; undefined where nobody asked. Rejects without perf. */
export async function startProfile(
  file: string,
  names: ReadonlyMap<number, string>,
): Promise<(() => Promise<readonly string[]>) | undefined> {
  if (!isAsked) return undefined;
  const args = ['record', '-F', String(SAMPLES_PER_S), '-g', '-o', file, '-p', [...names.keys()].join(',')];
  const perf = spawn('perf', args, { stdio: 'ignore' });
  await once(perf, 'spawn').catch((cause: unknown) => {
    throw new Error('--profile needs perf on PATH (Debian: linux-perf)', { cause });
  });
  return async () => {
    const ended = once(perf, 'close');
    if (perf.exitCode !== null)
      throw new Error(`perf ended with ${perf.exitCode}: may this user sample (kernel.perf_event_paranoid)?`);
    perf.kill('SIGINT');
    await ended;
    const script = spawn('perf', ['script', '-i', file, '-F', 'comm,pid,tid,period,ip,sym,dso'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return describeShares(await sharesOf(createInterface({ input: script.stdout })), names);
  };
}
