// Bodies in JSON, for every route that has no parser of its own. Fastify's parser refuses what must be refused, but does
// not say where a text stops being JSON; this one does. Other content types are refused before they get here.

import type { FastifyInstance } from 'fastify';
import { MeshError } from '../core/errors.ts';

export function acceptJsonOnly(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    void parse(request, body, (error, value: unknown) => {
      done(error === null ? null : new MeshError('invalid-request', whyNot(body), { cause: error }), value);
    });
  });
}

function whyNot(body: string): string {
  if (body.trim() === '')
    return 'the body is empty; send JSON, or leave out the content-type header where no body is wanted';
  try {
    JSON.parse(body.replace(/^\uFEFF/, ''));
  } catch (error) {
    // V8 names the line and column, or shows the place.
    const where = error instanceof Error ? error.message : String(error);
    return `the body is not JSON: ${where}; JSON wants names and texts in double quotes, and no comma after the last one`;
  }
  return 'the body has a member __proto__ or constructor.prototype; leave it out';
}
