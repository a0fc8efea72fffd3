import assert from 'node:assert/strict';
import { test } from 'node:test';

/** By its address: it is JavaScript, of which no types are known. */
const { href } = new URL('../../scripts/bootstrap.mjs', import.meta.url);
const { nodeIsNewEnough } = (await import(href)) as { nodeIsNewEnough: (version: string) => boolean };

test('a Node that upgrades whatever asks for it is too old, also of the right major version', () => {
  for (const version of ['18.20.8', '22.20.0', '24.0.0', '24.8.0'])
    assert.equal(nodeIsNewEnough(version), false, version);
  for (const version of ['24.9.0', '24.10.0', '25.0.0', '26.1.0'])
    assert.equal(nodeIsNewEnough(version), true, version);
});
