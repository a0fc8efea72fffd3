import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeShares, sharesOf, workOf } from '../../bench/harness/profile.ts';

/** As `perf script -F comm,pid,tid,period,ip,sym,dso` prints it. */
const OUTPUT = `MainThread   10/10     300 cpu-clock:ppp: 
	    7f00 __memmove_avx512_unaligned_erms (/usr/lib/libc.so.6)
	    55aa node::Buffer::Copy (/usr/bin/node)

libuv-worker   10/14     500 cpu-clock:ppp: 
	    7f01 snappy::RawUncompress (/x/classic-level.node)
	    7f02 leveldb::ReadBlock (/x/classic-level.node)
	    7f03 leveldb::DBImpl::DoCompactionWork (/x/classic-level.node)

V8Worker   11/15     200 cpu-clock:ppp: 
	    55ab v8::internal::Sweeper::RawSweep (/usr/bin/node)
`;

test('samples are shared out among processes and kinds of work', async () => {
  const shares = await sharesOf(OUTPUT.split('\n'));
  assert.deepEqual(
    describeShares(
      shares,
      new Map([
        [10, 'mesher of a'],
        [11, 'publisher.ts'],
      ]),
    ),
    [
      'mesher of a 80.0 %: LevelDB compaction 50.0 %, copying memory 30.0 %',
      'publisher.ts 20.0 %: garbage collection 20.0 %',
    ],
  );
});

test('what is done for somebody counts as theirs, the rest by what is done', () => {
  for (const [thread, stack, work] of [
    ['libuv-worker', ['__memmove_avx', 'leveldb::MemTable::Add', 'leveldb::DBImpl::Write'], 'LevelDB write'],
    [
      'libuv-worker',
      ['leveldb::crc32c::Extend', 'leveldb::ReadBlock', 'leveldb::DBImpl::Get'],
      'LevelDB read',
    ],
    ['MainThread', ['crc32_z', 'JS:*encode'], 'checksums'],
    ['MainThread', ['ChaCha20_16x', 'EVP_CipherUpdate'], 'encryption'],
    ['MainThread', ['_copy_to_iter ([kernel.kallsyms])', '__send'], 'kernel'],
    ['MainThread', ['_int_malloc', 'operator new'], 'allocating memory'],
    ['MainThread', ['x', 'v8::internal::Heap::CollectGarbage(...)'], 'garbage collection'],
    ['MainThread', ['JS:*publish core/router.ts'], 'JavaScript and the rest'],
    ['MainThread', [], 'JavaScript and the rest'],
  ] as const)
    assert.equal(workOf(thread, stack), work, stack[0]);
});
