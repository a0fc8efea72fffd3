import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverConfiguration } from '../../bench/references/nats/configuration.ts';

const COMMON = { name: 'nats-a', port: 4222, folder: '/data', domain: 'A' } as const;

test('the default sync is left to the server, and always is asked for by name', () => {
  const leafNodes = { listen: 7422 } as const;
  const byDefault = serverConfiguration({ ...COMMON, sync: 'default', leafNodes });
  const always = serverConfiguration({ ...COMMON, sync: 'always', leafNodes });
  assert.doesNotMatch(byDefault, /sync/);
  assert.match(always, /jetstream \{[^}]*\n {2}sync_interval: always\n\}/);
  assert.equal(always.replace('\n  sync_interval: always', ''), byDefault);
});

test('one server listens for leaf nodes, the other joins it there', () => {
  const listening = serverConfiguration({ ...COMMON, sync: 'default', leafNodes: { listen: 7422 } });
  const joining = serverConfiguration({ ...COMMON, sync: 'default', leafNodes: { join: 7422 } });
  assert.match(listening, /leafnodes \{ listen: "127\.0\.0\.1:7422" \}/);
  assert.match(joining, /leafnodes \{ remotes: \[ \{ urls: \[ "nats-leaf:\/\/127\.0\.0\.1:7422" \] \} \] \}/);
});
