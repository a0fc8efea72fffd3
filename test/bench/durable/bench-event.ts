// The events of this benchmark, as a user of the client writes them: a JSON payload of the size that is asked for, and the
// attributes that every event of a kind has.

import type { EventInput } from '../../../sdk/typescript/client.ts';
import { idOf, type Payloads, SOURCE, TYPE } from '../harness/payloads.ts';

export function benchEvent(payloads: Payloads, n: number): EventInput {
  return {
    id: idOf(n),
    source: SOURCE,
    type: TYPE,
    datacontenttype: 'application/json',
    data: payloads.encoded(n),
  };
}
