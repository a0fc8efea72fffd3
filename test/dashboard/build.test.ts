// What is built: small, and with no word of another origin.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { DASHBOARD_FOLDER } from '../../node/http/dashboard.ts';
import { builtDashboard } from './browser.ts';

const GZIPPED_MAX = 100 * 1024;
/** Names of things, which nobody asks for. */
const NAMES = /http:\/\/www\.w3\.org\/(1998\/Math\/MathML|1999\/xhtml|1999\/xlink|2000\/svg)/g;

const files = (): { name: string; text: string }[] =>
  readdirSync(DASHBOARD_FOLDER, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name, parentPath }) => ({ name, text: readFileSync(join(parentPath, name), 'utf8') }));

before(() => builtDashboard());

test('the page is small, and the world map comes on its own', (t) => {
  const sizes = files().map(({ name, text }) => ({ name, bytes: gzipSync(text).length }));
  const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  t.diagnostic(`${total} bytes gzipped: ${sizes.map(({ name, bytes }) => `${name} ${bytes}`).join(', ')}`);
  assert.ok(total < GZIPPED_MAX, `${total} bytes`);
  assert.ok(sizes.some(({ name }) => name.startsWith('world-')));
});

test('nothing in it names another origin, runs text as code, or stands inline', () => {
  for (const { name, text } of files()) {
    assert.doesNotMatch(text.replaceAll(NAMES, ''), /https?:\/\/(?!127\.0\.0\.1)/, name);
    assert.doesNotMatch(text, /\beval\(|new Function\(/, name);
  }
  const index = files().find(({ name }) => name === 'index.html')?.text ?? '';
  assert.doesNotMatch(index, /<script(?![^>]* src=)|<style|\son\w+=|style=/);
});
