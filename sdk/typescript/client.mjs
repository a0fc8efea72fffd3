// What `import 'causeway/client'` loads: in a clone the sources, which Node 24 runs as they are; in an installed package, where
// Node runs no TypeScript and there are no sources, the JavaScript that was made of them when it was packed.

import { existsSync } from 'node:fs';

const isClone = existsSync(new URL('client.ts', import.meta.url));
const client = await (isClone ? import('./client.ts') : import('../../dist/sdk/typescript/client.js'));

export const { CausewayError, connect, encodeEvent } = client;
