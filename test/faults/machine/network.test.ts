// The faults are faults: packets that are cut do not arrive, the wire does to TCP what a bad line does and changes no byte
// that it is not told to, and nothing of it is left when it is over.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { whyNoEnclosure } from './enclosure.ts';

test('cuts cut one way, the wire delays, loses, repeats, holds up and changes packets, and all of it ends with its namespaces', async (t) => {
  const lacking = await whyNoEnclosure();
  if (lacking !== undefined) {
    t.skip(`this machine cannot give faults: ${lacking}`);
    return;
  }
  const { stdout } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, 'main.ts')]);
  const found = JSON.parse(stdout) as Record<string, number> & { noPowerLoss?: string };
  t.diagnostic(stdout.trim());
  const {
    direct = 0,
    oneWay,
    others = 0,
    joined = 0,
    late = 0,
    lateLarge = 0,
    bad = 0,
    slow = 0,
    changed,
    spared = 0,
    allLost,
    mended = 0,
  } = found;
  assert.ok(direct > 0 && others > 0 && joined > 0 && mended > 0, 'what is not cut arrives');
  assert.equal(oneWay, 0, 'no answer through a cut');
  assert.ok(late >= 200, 'a handshake and an answer, 50 ms each way');
  assert.ok(lateLarge >= 200 && bad > 0, 'large transfers go through the wire, byte for byte');
  assert.ok((found['lost'] ?? 0) > 0 && (found['repeated'] ?? 0) > 0, 'packets were lost and repeated');
  assert.ok(slow >= 2000, 'a megabyte, there and back, through 400,000 bytes a second');
  assert.equal(changed, -1, 'a changed bit arrives: no checksum finds it');
  assert.ok(spared > 0, 'what other ports carry is not touched');
  assert.equal(allLost, 0, 'nothing arrives where all is lost');
  if (found.noPowerLoss !== undefined) t.diagnostic(`no power loss here: ${found.noPowerLoss}`);
  assert.doesNotMatch(readFileSync('/proc/mounts', 'utf8'), /causeway-faults/, 'no mount is left');
});
