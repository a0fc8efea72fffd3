// Where an event lies, as text: queue, block and index, which name it on its mesher whatever the attempt.

import { formatToken, NO_TOKEN, type DeliveryToken } from '../../node/core/delivery-token.ts';

export type Place = Pick<DeliveryToken, 'queue' | 'block' | 'index'>;

/** '' for what is not to be settled; with `_` for what was never on disk. */
export function placeOf({ queue, block, index }: Place): string {
  if (queue === NO_TOKEN.queue) return '';
  return formatToken({ queue, block, index, attempt: 0, session: undefined }).split('.', 3).join('.');
}
