// The numbers that a client gives to its streams and requests, and a mesher to deliveries: from 1.

import type { ByteReader } from '../../../node/wire/byte-reader.ts';
import { WireError } from '../../../node/wire/wire-error.ts';

export function readId(reader: ByteReader): number {
  const id = reader.uint();
  if (id === 0) throw new WireError('bad-value', 'streams, requests and deliveries are numbered from 1');
  return id;
}
