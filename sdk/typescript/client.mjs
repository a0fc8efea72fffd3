// What `import 'causeway/client'` loads: in a clone the sources, where this Node runs them as they are (24 does); else the JavaScript
// that is made of them when the project is packed, which is all that an installed package has, as no Node runs TypeScript there.

import { existsSync } from 'node:fs';

const built = '../../dist/sdk/typescript/client.js';
const isClone = existsSync(new URL('client.ts', import.meta.url));
const client = await (isClone ? import('./client.ts').catch(withoutTypeScript) : import(built));

function withoutTypeScript(cause) {
  if (cause.code !== 'ERR_UNKNOWN_FILE_EXTENSION') throw cause;
  if (existsSync(new URL(built, import.meta.url))) return import(built);
  throw new Error(
    'causeway/client: this Node runs no TypeScript, and the clone has no JavaScript yet. ' +
      'Use Node 24, or make it once: npm run prepack, in the clone',
    { cause },
  );
}

export const { CausewayError, connect, encodeEvent } = client;
