// /v1/dead-letters: the dead letters of all meshers, one of them with its event, and what may be done with them. Reading takes them from
// nobody: whoever pulls from `$dead-letters` gets them all the same.

import type { FastifyPluginAsync } from 'fastify';
import Type from 'typebox';
import { MeshError } from '../core/errors.ts';
import type { NodeId } from '../core/event.ts';
import type { Limits } from '../core/limits.ts';
import type { DeadLettersView, DeadLetterView } from '../core/overview.ts';
import { checkFilter } from '../core/topic.ts';

interface LetterFilter {
  readonly cluster?: string;
  readonly subscription?: string;
  readonly topic?: string;
  readonly source?: string;
}

type Place = DeadLetterView['at'];

export interface DeadLetterDesk {
  /** `after`: '' or a `next`. Rejects with `invalid-request`, `not-ready`. */
  list(query: LetterFilter & { readonly after: string; readonly limit: number }): Promise<DeadLettersView>;
  /** `event`: in the JSON format of CloudEvents. Rejects with `not-found`, `mesher-unreachable`, `invalid-request`, `not-ready`. */
  one(mesher: NodeId, token: string): Promise<{ readonly letter: DeadLetterView; readonly event: string }>;
  /** Who refuses, or cannot be asked, is in `failed`. Rejects with `invalid-request`, `not-ready`. */
  settle(
    how: 'redrive' | 'drop',
    chosen: { readonly letters: readonly Place[] } | { readonly filter: LetterFilter },
  ): Promise<{
    readonly done: number;
    readonly failed: readonly { readonly mesher: NodeId; readonly why: string }[];
  }>;
}

const LIMIT_MAX = 200;
const LIMIT_DEFAULT = 50;
/** Letters named in one request. */
const NAMED_MAX = 1_000;

const TOKEN = '^[0-9a-z.]{1,40}$';
const Node = Type.String({ minLength: 1, maxLength: 128 });
const Token = Type.String({ pattern: TOKEN });
const Filter = {
  cluster: Type.Optional(Type.String({ maxLength: 256, description: 'Of this cluster only' })),
  subscription: Type.Optional(
    Type.String({ maxLength: 256, description: 'Rejected by the subscription of this name' }),
  ),
  topic: Type.Optional(Type.String({ description: 'Filter of their topics, as subscriptions have it' })),
  source: Type.Optional(Type.String({ maxLength: 16_384, description: "The events' `source`, all of it" })),
};
const LetterSchema = Type.Object({
  at: Type.Object({ mesher: Node, token: Type.String() }, { description: 'Names it' }),
  cluster: Type.String(),
  source: Type.String(),
  id: Type.String(),
  type: Type.String(),
  topic: Type.String({ description: 'On which the subscription had received it' }),
  subscription: Type.String(),
  reason: Type.String(),
  attempts: Type.Integer(),
  acceptedAt: Type.Number({ description: 'When it was published, ms since the epoch' }),
  bytes: Type.Integer(),
});
const Silent = Type.Array(Type.Object({ mesher: Node, why: Type.String() }));
const ListSchema = Type.Object({
  letters: Type.Array(LetterSchema),
  total: Type.Integer({
    description: 'In all, in the clusters that answered; of other filters it knows nothing',
  }),
  next: Type.String({
    description: "`after` of the next page; '' at the end. A page may be empty and not the last",
  }),
  silent: Silent,
});
const ChosenSchema = Type.Object(
  {
    letters: Type.Optional(
      Type.Array(Type.Object({ mesher: Node, token: Token }, { additionalProperties: false }), {
        minItems: 1,
        maxItems: NAMED_MAX,
      }),
    ),
    filter: Type.Optional(Type.Object(Filter, { additionalProperties: false })),
  },
  { additionalProperties: false, description: 'Either of the two; a filter without members means all' },
);
const SettledSchema = Type.Object({
  done: Type.Integer(),
  failed: Type.Array(Type.Object({ mesher: Node, why: Type.String() }), {
    description: 'What is as it was, and why; which may be that this mesher is no operator there',
  }),
});

type Chosen = { letters?: readonly Place[]; filter?: LetterFilter };

const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
});
const json = (description: string, schema: unknown) => ({
  description,
  content: { 'application/json': { schema } },
});
const tags = ['dead letters'];

/** `desk`: called with each request; throws `not-ready` until there is one. */
export function deadLetterRoutes(
  desk: () => DeadLetterDesk,
  limits: Pick<Limits, 'topicBytesMax' | 'topicLevelsMax'>,
): FastifyPluginAsync {
  const checked = <F extends LetterFilter>(filter: F): F => {
    if (filter.topic !== undefined) checkFilter(filter.topic, limits);
    return filter;
  };
  const chosenOf = ({
    letters,
    filter,
  }: Chosen): { letters: readonly Place[] } | { filter: LetterFilter } => {
    if (letters && !filter) return { letters };
    if (filter && !letters) return { filter: checked(filter) };
    throw new MeshError('invalid-request', 'the body must have either `letters` or `filter`');
  };
  return async (app) => {
    app.get<{ Querystring: LetterFilter & { after?: string; limit?: string } }>(
      '/v1/dead-letters',
      {
        schema: {
          operationId: 'listDeadLetters',
          summary: 'Events that subscriptions rejected or failed with too often, of all meshers',
          tags,
          querystring: Type.Object(
            {
              ...Filter,
              after: Type.Optional(Type.String({ maxLength: 200, description: '`next` of the page before' })),
              limit: Type.Optional(
                Type.String({
                  pattern: '^[1-9][0-9]{0,2}$',
                  description: `Letters in a page: ${LIMIT_DEFAULT}, and at most ${LIMIT_MAX}`,
                }),
              ),
            },
            { additionalProperties: false },
          ),
          response: {
            200: json('Mesher after mesher, of each the oldest first', ListSchema),
            400: problem('invalid-filter, invalid-request'),
            503: problem('not-ready'),
          },
        },
      },
      async ({ query: { after = '', limit, ...filter } }) =>
        desk().list({
          ...checked(filter),
          after,
          limit: Math.min(Number(limit ?? LIMIT_DEFAULT), LIMIT_MAX),
        }),
    );

    app.get<{ Params: Place }>(
      '/v1/dead-letters/:mesher/:token',
      {
        schema: {
          operationId: 'getDeadLetter',
          summary: 'A dead letter with its event',
          tags,
          params: Type.Object({ mesher: Node, token: Token }),
          response: {
            200: json(
              'The event is in the JSON format of CloudEvents',
              Type.Object({ letter: LetterSchema, event: Type.Object({}, { additionalProperties: true }) }),
            ),
            400: problem('invalid-request'),
            404: problem('not-found'),
            503: problem('mesher-unreachable, not-ready'),
          },
        },
      },
      async ({ params: { mesher, token } }, reply) => {
        const { letter, event } = await desk().one(mesher, token);
        // as text: numbers of the event's data may be beyond what JavaScript's can say
        const body = `{"letter":${JSON.stringify(letter)},"event":${event}}`;
        return reply.type('application/json').send(Buffer.from(body));
      },
    );

    for (const [how, summary] of [
      [
        'redrive',
        'Gives dead letters back to the subscriptions that rejected them, as if they had just come',
      ],
      ['drop', 'Drops dead letters for good'],
    ] as const) {
      app.post<{ Body: Chosen }>(
        `/v1/dead-letters/${how}`,
        {
          schema: {
            operationId: `${how}DeadLetters`,
            summary,
            tags,
            body: ChosenSchema,
            response: {
              200: json('How many, and what could not be done', SettledSchema),
              400: problem('invalid-filter, invalid-request'),
              415: problem('unsupported-media-type'),
              503: problem('not-ready'),
            },
          },
        },
        async ({ body }) => desk().settle(how, chosenOf(body)),
      );
    }
  };
}
