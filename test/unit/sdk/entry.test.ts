import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';

const ENTRY = join(import.meta.dirname, '../../../sdk/typescript/client.mjs');
const MADE = 'dist/sdk/typescript/client.js';

/** A folder with the entry of the client, and with modules of these names in place of the real ones. */
async function folderWith(t: TestContext, modules: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-entry-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await mkdir(join(folder, 'sdk/typescript'), { recursive: true });
  await copyFile(ENTRY, join(folder, 'sdk/typescript/client.mjs'));
  for (const name of modules) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    const names = ['CausewayError', 'encodeEvent'].map((each) => `export const ${each} = 0;`).join('\n');
    await writeFile(join(folder, name), `${names}\nexport const connect = ${JSON.stringify(name)};\n`);
  }
  return folder;
}

/** What the entry exports as `connect`, on a Node that runs TypeScript, or that does not. */
async function loaded(folder: string, { strips }: { readonly strips: boolean }): Promise<string> {
  const print = `console.log((await import('./sdk/typescript/client.mjs')).connect)`;
  const flags = strips ? [] : ['--no-experimental-strip-types'];
  const args = [...flags, '--input-type=module', '--eval', print];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder, env: {} });
  return stdout.trim();
}

suite('the client of a clone', () => {
  test('is its sources where Node runs TypeScript, whatever was built before', async (t) => {
    const folder = await folderWith(t, ['sdk/typescript/client.ts', MADE]);
    assert.equal(await loaded(folder, { strips: true }), 'sdk/typescript/client.ts');
  });

  test('is what was built where Node runs none', async (t) => {
    const folder = await folderWith(t, ['sdk/typescript/client.ts', MADE]);
    assert.equal(await loaded(folder, { strips: false }), MADE);
  });

  test('says what to do where Node runs none and nothing was built', async (t) => {
    const folder = await folderWith(t, ['sdk/typescript/client.ts']);
    await assert.rejects(loaded(folder, { strips: false }), /runs no TypeScript.*npm run prepack/);
  });
});

test('the client of a package is what was built', async (t) => {
  assert.equal(await loaded(await folderWith(t, [MADE]), { strips: true }), MADE);
});
