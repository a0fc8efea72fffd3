// Builds the dashboard's page into dist/dashboard (npm run dashboard), and serves it with hot reload
// (npx vite --config scripts/dashboard/vite.config.ts, with a mesher, or test/dashboard/fake-mesher.ts, on port 7400). What is built asks for nothing beyond its own origin, and runs
// under the policy that node/http/dashboard.ts sends: no inline script, no inline style.

import { join } from 'node:path';
import { defineConfig } from 'vite';
import { worldOutline } from './world-outline.ts';

const project = join(import.meta.dirname, '../..');

export default defineConfig({
  root: join(project, 'node/dashboard'),
  base: '/',
  plugins: [worldOutline()],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: join(project, 'dist/dashboard'),
    emptyOutDir: true,
    target: 'es2022',
    // A data: URL would be another source for the policy to allow.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { '/v1': 'http://127.0.0.1:7400' } },
});
