// Member records as they lie in the registry, which anybody who reaches it may write to: JSON text to record, and on to the
// membership of a core, which must take any record that has the right shape, or refuse it, and go on.

import assert from 'node:assert/strict';
import { LIMITS } from '../../../node/core/limits.ts';
import { MeshError } from '../../../node/core/errors.ts';
import { memberBytes, signMember } from '../../../node/core/membership.ts';
import { MesherCore } from '../../../node/core/mesher-core.ts';
import type { MemberRecord } from '../../../node/core/ports.ts';
import { TIMING } from '../../../node/core/timing.ts';
import { encodeMember, parseMember } from '../../../registry/record.ts';
import { REGISTRY_LIMITS } from '../../../registry/limits.ts';
import { KeyRing } from '../../simulation/fake-keys.ts';
import { NOTHING, NOW } from '../../support/lone-core.ts';
import { plain, type Target, unlessRefused } from '../target.ts';

const ring = new KeyRing();
const ours = ring.make('a', 'secret');
const theirs = ring.make('b', 'another');
const BARE: Omit<MemberRecord, 'signature'> = {
  federation: 'acme',
  cluster: 'eu',
  node: 'a',
  incarnation: 1,
  addresses: [],
  http: '',
  labels: {},
  version: '0',
};
const self = signMember(ours, BARE);

export const target: Target = {
  name: 'registry-records',
  shape: 'json',
  bytesMax: 8_192,
  dictionary: [
    '"node":"a"',
    '"cluster":"eu"',
    '"/ip4/127.0.0.1/tcp/7401"',
    '/dns4/x/tcp/1',
    '"__proto__":{}',
    '"labels":',
  ],
  sample: (chance) =>
    Buffer.from(
      JSON.stringify(
        signMember(theirs, {
          ...BARE,
          node: 'b',
          cluster: chance.pick(['eu', 'us', '']),
          incarnation: chance.pick([0, 1, 65_536, 2 ** 53 - 1]),
          addresses: chance.pick([[], ['/ip4/127.0.0.1/tcp/7401'], ['nonsense', '/dns4/x/tcp/1']]),
          labels: chance.is(0.5) ? { zone: 'a' } : {},
        }),
      ),
    ),
  quick: 5_000,
  operationsFree: 100_000,
  run: (input) => {
    const record = parseMember(Buffer.from(input).toString());
    if (!record) return false;
    const encoded = unlessRefused([MeshError], () => encodeMember(record));
    if (encoded) {
      assert(Buffer.byteLength(encoded.value) <= REGISTRY_LIMITS.recordBytesMax);
      assert.deepEqual(plain(parseMember(encoded.value)), plain(record));
    }
    memberBytes(record);
    const core = new MesherCore(
      { self, limits: LIMITS, timing: TIMING, keys: ours, random: () => 0.5, replicas: 1, rejoining: false },
      NOTHING,
      NOW,
    );
    // As its owner wrote it, and as an owner who means harm would have signed it.
    const resigned = record.node === 'b' ? signMember(theirs, record) : record;
    core.step([{ kind: 'members', list: { revision: 1, members: [self, record, resigned] } }], NOW);
    core.step([{ kind: 'tick' }], { wall: NOW.wall + 1_000, monotonic: NOW.monotonic + 1_000 });
    return true;
  },
};
