import assert from 'node:assert/strict';
import { test } from 'node:test';
import Type from 'typebox';
import { MeshError } from '../../../node/core/errors.ts';
import { Questions } from '../../../node/observe/questions.ts';

const DOUBLE = {
  kind: 'double',
  asked: Type.Object({ number: Type.Number() }),
  told: Type.Object({ twice: Type.Number() }),
};

const BYTES_MAX = 200;

/** Two meshers, of which `a` asks and `b` answers. */
function pair(): { a: Questions; b: Questions } {
  const [a, b] = [new Questions(), new Questions()];
  a.through({
    ask: (peer, question) =>
      peer === 'b' ? b.answer('a', question, BYTES_MAX) : Promise.reject(new Error('no link')),
  });
  return { a, b };
}

test('a question is answered by whoever knows its kind', async () => {
  const { a, b } = pair();
  b.on(DOUBLE, (peer, { number }) => ({ twice: peer === 'a' ? 2 * number : 0 }));
  assert.deepEqual(await a.ask('b', DOUBLE, { number: 21 }), { twice: 42 });
});

test('who is not there, does not know, refuses or talks nonsense is told apart, in words for people', async () => {
  const { a, b } = pair();
  const ask = (peer: string) => a.ask(peer, DOUBLE, { number: 1 });
  await assert.rejects(ask('c'), /no link/);
  await assert.rejects(ask('b'), /it refused: a question that this mesher does not know/);
  b.on(DOUBLE, () => {
    throw new MeshError('invalid-request', 'not today');
  });
  await assert.rejects(ask('b'), /it refused: not today/);
  b.on(DOUBLE, () => ({ thrice: 3 }) as never);
  await assert.rejects(ask('b'), /not what this mesher understands/);
  b.on(DOUBLE, () => ({ twice: 2, more: 'x'.repeat(BYTES_MAX) }) as never);
  await assert.rejects(ask('b'), /it refused: the answer has 230 bytes, and at most 200 are read/);
  await assert.rejects(new Questions().ask('b', DOUBLE, { number: 1 }), /still starting/);
});

test('what a peer asks is checked before anybody sees it', async () => {
  const { b } = pair();
  let seen = 0;
  b.on(DOUBLE, () => {
    seen++;
    return { twice: 0 };
  });
  const told = async (text: string): Promise<string> =>
    Buffer.from(await b.answer('a', Buffer.from(text), BYTES_MAX)).toString();
  for (const text of [
    '',
    '[]',
    'null',
    '{"kind":"double"}',
    '{"kind":"double","asked":{"number":"1"}}',
    '{"kind":7}',
  ])
    assert.match(await told(text), /^\{"refused":/);
  assert.equal(seen, 0);
});
