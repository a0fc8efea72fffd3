// Names one delivery: an event in its queue, and the attempt at delivering it. Bridges pass it back as it is; those whose
// clients see it as text use the two functions here. The text is opaque to clients, and URL-safe.

/** Stands for the block of an event that was never on disk (best effort). */
export const VOLATILE_BLOCK = -1;

export interface DeliveryToken {
  readonly queue: number;
  readonly block: number;
  readonly index: number;
  readonly attempt: number;
  /** The mark of the stream session it was handed to; undefined: it was pulled. */
  readonly session: number | undefined;
}

/** Of what is not to be settled: an event of an ephemeral subscription. Queues are numbered from 1. */
export const NO_TOKEN: DeliveryToken = { queue: 0, block: 0, index: 0, attempt: 1, session: undefined };

/** queue.block.index.attempt[.session] in base 36; `_` stands for the block of an event that was never on disk. */
export function formatToken({ queue, block, index, attempt, session }: DeliveryToken): string {
  const place = block === VOLATILE_BLOCK ? '_' : block.toString(36);
  const text = `${queue.toString(36)}.${place}.${index.toString(36)}.${attempt.toString(36)}`;
  return session === undefined ? text : `${text}.${session.toString(36)}`;
}

/** Undefined: this text names nothing. */
export function parseToken(text: string): DeliveryToken | undefined {
  const match =
    /^([0-9a-z]{1,10})\.(_|[0-9a-z]{1,11})\.([0-9a-z]{1,10})\.([0-9a-z]{1,10})(?:\.([0-9a-z]{1,6}))?$/.exec(
      text,
    );
  if (!match) return undefined;
  const number = (digits: string | undefined): number => Number.parseInt(digits ?? '', 36);
  const block = match[2] === '_' ? VOLATILE_BLOCK : number(match[2]);
  if (!Number.isSafeInteger(block)) return undefined; // it would be written as another one
  return {
    queue: number(match[1]),
    block,
    index: number(match[3]),
    attempt: number(match[4]),
    session: match[5] === undefined ? undefined : number(match[5]),
  };
}
