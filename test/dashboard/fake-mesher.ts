// A mesher's HTTP side as far as the dashboard asks for it, with a federation from a script. Serves the built page. As a command it
// listens on 127.0.0.1:7400, for `npx vite --config scripts/dashboard/vite.config.ts`.

import type { FastifyInstance, FastifyReply } from 'fastify';
import Fastify from 'fastify';
import { MeshError } from '../../node/core/errors.ts';
import type { DeadLetterView, HistoryView, Overview } from '../../node/core/overview.ts';
import { DASHBOARD_FOLDER, dashboardRoutes } from '../../node/http/dashboard.ts';
import { meshErrorOf, PROBLEM_TYPE, problemOf } from '../../node/http/problem.ts';
import {
  deadLettersAt,
  eventOf,
  historyAt,
  ledgerAt,
  NODES,
  overviewAt,
  routesOf,
  traceAt,
} from './scripted-federation.ts';

interface Filter {
  readonly cluster?: string;
  readonly subscription?: string;
  readonly topic?: string;
  readonly source?: string;
}

type Which = { readonly letters: readonly DeadLetterView['at'][] } | { readonly filter: Filter };

export interface FakeMesher {
  readonly url: string;
  /** What it shows from now on; told to all streams at once. */
  show(make: (at: number) => Overview): void;
  /** Ends all streams, and gives no overview until it is told to. */
  setSilent(silent: boolean): void;
  /** What was asked of it, in order: `drop {"letters":…}`. */
  readonly settled: readonly string[];
  close(): Promise<void>;
}

const LETTERS_READ = 25;

interface FakeOptions {
  readonly port?: number;
  readonly clock?: () => number;
  readonly everyMs?: number;
}

export async function startFakeMesher(options: FakeOptions = {}): Promise<FakeMesher> {
  const { port = 0, clock = Date.now, everyMs = 2_000 } = options;
  const begun = clock();
  const settled: string[] = [];
  const streams = new Set<FastifyReply>();
  let make = overviewAt;
  let silent = false;
  let letters = deadLettersAt(begun);
  const app = Fastify({ forceCloseConnections: true });
  app.setErrorHandler((error, _request, reply) => {
    const mesh = meshErrorOf(error, 1_000_000);
    const problem = problemOf(mesh);
    return reply
      .status(problem.status)
      .type(PROBLEM_TYPE)
      .send(Buffer.from(JSON.stringify(problem)));
  });
  await app.register(dashboardRoutes, { folder: DASHBOARD_FOLDER });

  const overview = (): Overview => make(clock());
  const tell = ({ raw }: FastifyReply): void => {
    raw.write(`event: overview\ndata: ${JSON.stringify(overview())}\n\n`);
  };
  const refuseWhileSilent = (): void => {
    if (silent) throw new MeshError('not-ready', 'this mesher is still starting; try again shortly');
  };
  app.get('/v1/overview', () => {
    refuseWhileSilent();
    return overview();
  });
  app.get('/v1/overview/stream', (request, reply) => {
    refuseWhileSilent();
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    streams.add(reply);
    request.raw.once('close', () => streams.delete(reply));
    tell(reply);
  });
  const timer = setInterval(() => streams.forEach(tell), everyMs);
  answerQuestions(app, clock);

  app.get<{ Querystring: Filter & { after?: string; limit?: string } }>('/v1/dead-letters', ({ query }) => {
    // As a mesher does: it reads so many, shows those that fit, and counts by cluster only.
    const all = letters.filter(({ cluster }) => query.cluster === undefined || cluster === query.cluster);
    const from = Number(query.after ?? 0);
    const until = from + Math.min(Number(query.limit ?? LETTERS_READ), LETTERS_READ);
    return {
      letters: all.slice(from, until).filter((letter) => fits(letter, query)),
      total: all.length,
      next: until < all.length ? String(until) : '',
      silent: [{ mesher: NODES.gcp2, why: 'It did not answer within 2 s.' }],
    };
  });
  app.get<{ Params: { mesher: string; token: string } }>('/v1/dead-letters/:mesher/:token', ({ params }) => {
    const letter = letters.find(({ at }) => at.mesher === params.mesher && at.token === params.token);
    if (!letter) throw new MeshError('not-found', 'this dead letter is gone: it was redriven or dropped');
    return { letter, event: eventOf(letter) };
  });
  for (const how of ['redrive', 'drop'] as const) {
    app.post<{ Body: Which }>(`/v1/dead-letters/${how}`, ({ body }) => {
      settled.push(`${how} ${JSON.stringify(body)}`);
      const before = letters.length;
      letters = letters.filter((letter) =>
        'filter' in body
          ? !fits(letter, body.filter)
          : !body.letters.some(
              ({ mesher, token }) => mesher === letter.at.mesher && token === letter.at.token,
            ),
      );
      return { done: before - letters.length, failed: [] };
    });
  }
  const url = await app.listen({ host: '127.0.0.1', port });
  const hangUp = (): void => streams.forEach(({ raw }) => raw.destroy());
  return {
    url,
    settled,
    show: (next) => {
      make = next;
      streams.forEach(tell);
    },
    setSilent: (next) => {
      silent = next;
      if (silent) hangUp();
    },
    close: async () => {
      clearInterval(timer);
      hangUp();
      await app.close();
    },
  };
}

function answerQuestions(app: FastifyInstance, clock: () => number): void {
  app.get<{ Querystring: { of: HistoryView['of']; name: string } }>('/v1/overview/history', ({ query }) =>
    historyAt(clock(), query.of, query.name),
  );
  app.get<{ Querystring: { source: string; id: string } }>('/v1/trace', ({ query }) =>
    traceAt(clock(), query.source, query.id),
  );
  app.get('/v1/ledger', () => ledgerAt(clock()));
  app.get<{ Querystring: { topic: string } }>('/v1/routes', ({ query: { topic } }) => {
    if (/[+#]/.test(topic))
      throw new MeshError('invalid-topic', `"${topic}" is a filter: + and # name no topic to publish on`);
    return routesOf(topic);
  });
}

function fits(letter: DeadLetterView, { cluster, subscription, topic, source }: Filter): boolean {
  if (cluster !== undefined && cluster !== letter.cluster) return false;
  if (subscription !== undefined && subscription !== letter.subscription) return false;
  if (source !== undefined && source !== letter.source) return false;
  if (topic === undefined) return true;
  const pattern = topic.replace(/\+/g, '[^/]+').replace(/\/?#$/, '(/.*)?');
  return new RegExp(`^${pattern}$`).test(letter.topic);
}

if (import.meta.main) {
  const { url } = await startFakeMesher({ port: 7400 });
  console.log(`a fake mesher listens on ${url}`);
}
