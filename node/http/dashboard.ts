// The dashboard's page, as it was built into dist/dashboard: read once, served from memory, so that an upgrade of the files under a
// running mesher cannot mix two builds. It decides nothing about what the page shows: that is node/dashboard/.

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { MeshError } from '../core/errors.ts';

/** Of a clone, whose files are TypeScript; in a package this file lies in dist/ as well. */
export const DASHBOARD_FOLDER = join(
  import.meta.dirname,
  extname(import.meta.filename) === '.ts' ? '../../dist/dashboard' : '../../dashboard',
);

const INDEX = '/index.html';
/** Vite puts a hash of the content into the names of what lies there. */
const HASHED = '/assets/';
const MISSING = `The dashboard's page is not built. In the clone, run "npm run dashboard", and start this mesher again.
Everything else works: /docs describes the HTTP API.
`;

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

// Nothing but this origin, nothing inline, nobody's frame.
const SECURITY: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

interface PageFile {
  readonly type: string;
  readonly etag: string;
  readonly bytes: Buffer;
  readonly gzipped: Buffer;
}

/** `folder`: what was built; where it is not there, `/` says what to do about it. */
export const dashboardRoutes: FastifyPluginAsync<{ readonly folder: string }> = async (app, { folder }) => {
  const files = await readPage(folder);
  // No part of the API: its description leaves it out.
  const schema = { hide: true };
  app.get('/', { schema }, (request, reply) => {
    const index = files.get(INDEX);
    if (index) return send(index, 'no-cache', request, reply);
    return reply.status(503).headers(SECURITY).type('text/plain; charset=utf-8').send(MISSING);
  });
  for (const [path, file] of files) {
    const cache = path.startsWith(HASHED) ? 'public, max-age=31536000, immutable' : 'no-cache';
    app.get(path, { schema }, (request, reply) => send(file, cache, request, reply));
  }
  // A page of another build asks for files that are gone; it must not take something else for them.
  app.get(`${HASHED}*`, { schema }, () => {
    throw new MeshError('not-found', 'this file is of another build of the dashboard; load the page again');
  });
};

function send(file: PageFile, cache: string, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  void reply.headers(SECURITY).headers({ etag: file.etag, 'cache-control': cache, vary: 'accept-encoding' });
  if (request.headers['if-none-match'] === file.etag) return reply.status(304).send();
  const gzipped = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
  if (gzipped) void reply.header('content-encoding', 'gzip');
  return reply.type(file.type).send(gzipped ? file.gzipped : file.bytes);
}

/** By path, with a slash in front. Empty where the folder is not there, or is made anew at this moment. */
async function readPage(folder: string): Promise<ReadonlyMap<string, PageFile>> {
  try {
    const names = await readdir(folder, { recursive: true });
    const served = names.filter((name) => extname(name) in TYPES);
    return new Map(
      await Promise.all(
        served.map(
          async (name) => [`/${name.split(sep).join('/')}`, await readPageFile(join(folder, name))] as const,
        ),
      ),
    );
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Map();
    throw error;
  }
}

async function readPageFile(path: string): Promise<PageFile> {
  const bytes = await readFile(path);
  return {
    type: TYPES[extname(path)] ?? 'application/octet-stream',
    etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`,
    bytes,
    gzipped: await promisify(gzip)(bytes),
  };
}
