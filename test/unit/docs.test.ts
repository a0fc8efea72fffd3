// The documents say what the code says.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ERRORS } from '../../node/core/errors.ts';
import { METRICS } from '../../node/core/metric-catalogue.ts';
import { metricsReference } from '../../scripts/metrics-reference.ts';

const ROOT = join(import.meta.dirname, '../..');
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
const architecture = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');

test("the README's table of errors is the catalogue", () => {
  const rows = [...readme.matchAll(/^\| `([a-z-]+)` +\| (\d+) +\| (yes|no) +\| (\d) +\| (.+?) +\|$/gm)].map(
    ([, code, status, retry, exit, title]) => [
      code,
      { title, status: Number(status), retryable: retry === 'yes', exit: Number(exit) },
    ],
  );
  assert.deepEqual(Object.fromEntries(rows), ERRORS);
});

test('docs/metrics.md is the catalogue of metrics (npm run docs:metrics)', () => {
  const page = readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8');
  assert.ok(page === metricsReference(), 'docs/metrics.md is not what the catalogue says now');
});

test('every metric that the documents and the command name is in the catalogue', () => {
  const folder = join(ROOT, 'docs');
  const files = [
    ...readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => join(folder, name)),
    ...['README.md', 'ARCHITECTURE.md', 'node/commands/subscribe.ts'].map((name) => join(ROOT, name)),
  ];
  const named = files.flatMap((file) => [
    ...readFileSync(file, 'utf8').matchAll(/\bcauseway_([a-z_]+[a-z])\b/g),
  ]);
  assert.ok(named.length > 3);
  for (const [, name = ''] of named) assert.ok(name in METRICS, `${name} is named but not there`);
});

test('every file and folder that the documents name is there', () => {
  const named = [
    ...`${readme}${architecture}`.matchAll(
      /`((?:node|core|registry|bridge|test|scripts|deploy|docs)\/[\w./-]*)`/g,
    ),
  ].map(([, path]) => path ?? '');
  assert.ok(named.length > 20);
  for (const path of named) {
    const at = path.startsWith('core/') ? `node/${path}` : path;
    assert.ok(existsSync(join(ROOT, at)), `${path} is named but not there`);
  }
});

test('every npm script that the README names exists', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  for (const [, name] of readme.matchAll(/npm run ([a-z:]+)/g))
    assert.ok(scripts[name ?? ''], `npm run ${name}`);
});
