// Where dead letters wait: names of single ones, and of places between two of them from which a page goes on. Text, opaque to clients.

import type { NodeId } from '../core/event.ts';

/** One event in one queue of one mesher. */
export interface LetterPlace {
  readonly queue: number;
  readonly block: number;
  readonly index: number;
}

/** Before all. */
export const FIRST_PLACE: LetterPlace = { queue: 0, block: 0, index: -1 };

/** queue.block.index in base 36. */
export function formatPlace({ queue, block, index }: LetterPlace): string {
  return [queue, block, index].map((number) => number.toString(36)).join('.');
}

/** Undefined: this text names nothing. */
export function parsePlace(text: string): LetterPlace | undefined {
  const match = /^([0-9a-z]{1,10})\.([0-9a-z]{1,11})\.([0-9a-z]{1,10})$/.exec(text);
  const [queue, block, index] = (match ?? []).slice(1).map((digits) => Number.parseInt(digits, 36));
  if (queue === undefined || block === undefined || index === undefined) return undefined;
  return Number.isSafeInteger(block) ? { queue, block, index } : undefined;
}

/** Behind which letter of which mesher a page goes on; '' as `place`: with that mesher's first. */
export interface PageEnd {
  readonly mesher: NodeId;
  readonly place: string;
}

export function formatPageEnd({ mesher, place }: PageEnd): string {
  return `${mesher}~${place}`;
}

/** Undefined: this text names no place. */
export function parsePageEnd(text: string): PageEnd | undefined {
  const match = /^([A-Za-z0-9]{1,128})~([0-9a-z.]{0,40})$/.exec(text);
  if (!match) return undefined;
  const [, mesher = '', place = ''] = match;
  return place === '' || parsePlace(place) ? { mesher, place } : undefined;
}
