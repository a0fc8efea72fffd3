// How the settings of links were chosen: rows that hold another cipher, window or chunk size against the chosen one. What is
// another is the subject; below 1, the chosen one carries more.

import type { Encryption } from '../../../node/net/host.ts';
import { SIZES } from '../harness/payloads.ts';
import type { Scenario, Subject } from '../harness/scenario.ts';
import type { StreamOptions } from './end.ts';
import { type Case, throughputOf } from './throughput.ts';

/** The default of links. */
export const ENCRYPTION: Encryption = 'noise';

const SECONDS = { warmUp: 1, window: 2 } as const;
const PAYLOAD_BYTES = SIZES['1 KiB'];
const FAR_MS = 50;
const [KIB, MIB] = [1024, 1024 * 1024];

type Settings = Partial<Omit<StreamOptions, 'payloadBytes'>> & { readonly roundTripMs?: number };

function carried(name: string, of: Case['of'], { roundTripMs = 0, ...settings }: Settings): Subject {
  const options = { encryption: ENCRYPTION, payloadBytes: PAYLOAD_BYTES, ...settings };
  return throughputOf(name, () => ({ of, options, roundTripMs, seconds: SECONDS, unit: 'MB/s' }));
}

type SettingsRow = Scenario['rows'][number];

function row(id: string, what: string, subject: Subject, reference: Subject): SettingsRow {
  return { id: `4.${id}`, what, unit: 'MB/s', better: 'higher', short: false, subject, reference };
}

const ofCipher = row(
  'cipher-link',
  'a link: TLS instead of noise',
  carried('TLS', 'link', { encryption: 'tls' }),
  carried('noise', 'link', {}),
);

function ofChunks(chunkBytes: number): SettingsRow {
  const size = `${chunkBytes / KIB} KiB`;
  return row(
    `chunks-${chunkBytes / KIB}k`,
    `a bare stream in chunks of ${size} instead of a record's`,
    carried(size, 'stream', { chunkBytes }),
    carried('one record', 'stream', {}),
  );
}

function ofWindow(windowMib: number, roundTripMs: number): SettingsRow {
  const where = roundTripMs === 0 ? 'on loopback' : `at a round trip of ${roundTripMs} ms`;
  return row(
    `window-${roundTripMs}ms-${windowMib}m`,
    `a bare stream ${where}: a window of ${windowMib} MiB instead of one by the round trip`,
    carried(`${windowMib} MiB`, 'stream', { windowBytes: windowMib * MIB, roundTripMs }),
    carried('by the round trip', 'stream', { roundTripMs }),
  );
}

export const settingsRows: readonly SettingsRow[] = [
  ofCipher,
  ofChunks(16 * KIB),
  ofChunks(256 * KIB),
  ofWindow(4, 0),
  ofWindow(1, FAR_MS),
  ofWindow(4, FAR_MS),
];
