// The events of a fault run: number `n` of a publisher, with an ordering key of that publisher's, and data that can be
// computed again from both, so that a consumer sees a single wrong byte.

export const TOPIC = 'faults/events';
/** Ordering keys of one publisher. */
const KEYS = 8;
const FILLER = 'Lorem ipsum dolor sit amet, consectetur adipiscing elit. ';

export interface FaultEvent {
  readonly id: string;
  readonly partitionkey: string;
  readonly data: { readonly n: number; readonly text: string };
}

export function keyOf(n: number): number {
  return n % KEYS;
}

export function partitionKeyOf(publisher: string, n: number): string {
  return `${publisher}/${keyOf(n)}`;
}

export function eventOf(publisher: string, n: number): FaultEvent & Readonly<Record<string, unknown>> {
  return {
    specversion: '1.0',
    id: `${publisher}-${n}`,
    source: '/faults',
    type: 'org.example.fault',
    partitionkey: partitionKeyOf(publisher, n),
    data: { n, text: `${publisher} ${n} ${FILLER.repeat(1 + (n % 7))}` },
  };
}

/** Whose it is, and whether it is as it was published; undefined: nobody's. */
export function recognise(event: FaultEvent): readonly [string, number, 0 | 1] | undefined {
  const match = /^([a-z0-9]+)-(\d+)$/.exec(event.id);
  if (match?.[1] === undefined) return undefined;
  const [publisher, n] = [match[1], Number(match[2])];
  const wanted = eventOf(publisher, n);
  const same =
    event.data.text === wanted.data.text && event.data.n === n && event.partitionkey === wanted.partitionkey;
  return [publisher, n, same ? 1 : 0];
}
