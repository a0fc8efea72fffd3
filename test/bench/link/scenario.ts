// Scenario 4: how much of what a bare libp2p stream carries a link between meshers carries, as best-effort events; and by
// what measurements the settings of links were chosen.

import { SIZES } from '../harness/payloads.ts';
import type { Scenario, Subject } from '../harness/scenario.ts';
import { PING_EVERY_MS } from './end.ts';
import { endToEnd } from './end-to-end.ts';
import { ENCRYPTION, settingsRows } from './settings.ts';
import { type Case, throughputOf } from './throughput.ts';

const SECONDS = { full: { warmUp: 2, window: 4 }, short: { warmUp: 0.5, window: 0.7 } } as const;
const GOAL = 0.7;

function carried(of: Case['of'], payloadBytes: number): Subject {
  return throughputOf(of === 'link' ? 'link' : 'bare libp2p stream', (size) => ({
    of,
    options: { encryption: ENCRYPTION, payloadBytes },
    seconds: SECONDS[size],
    unit: 'events/s',
  }));
}

function throughput(id: string, size: keyof typeof SIZES, short: boolean): Scenario['rows'][number] {
  return {
    id: `4.link-${id}`,
    what: `best-effort events of ${size} over a link`,
    unit: 'events/s',
    better: 'higher',
    short,
    subject: carried('link', SIZES[size]),
    reference: carried('stream', SIZES[size]),
    goal: { text: `≥ ${GOAL} ×`, met: ({ ratio }) => ratio !== undefined && ratio >= GOAL },
  };
}

export const scenario: Scenario = {
  name: 'link',
  number: 4,
  title: 'Links: best-effort throughput',
  rows: [
    throughput('256', '256 B', false),
    throughput('1k', '1 KiB', true),
    throughput('16k', '16 KiB', false),
    {
      id: '4.end-to-end-1k',
      what: 'best-effort events of 1 KiB from a publisher through two meshers to a subscriber',
      unit: 'events/s',
      better: 'higher',
      short: false,
      subject: endToEnd(SIZES['1 KiB']),
      reference: carried('stream', SIZES['1 KiB']),
    },
    ...settingsRows,
  ],
  notes: `
Two processes on loopback, one sends as fast as the other takes. Events have records as a mesher makes them, on sixteen topics.

- **Link**: the network of a mesher and nothing else of it. Messages as the core makes them are encoded, sent, decoded into events and counted; each event's number is looked at, and one in a thousand is
  compared byte by byte. It is what arrived that counts, and all that was sent must have arrived.
- **Bare libp2p stream**: the same TCP transport, encryption, muxer and settings, and the very bytes that the link carries in chunks of the same size, made beforehand, handed to the stream chunk by chunk as a link does it; the other end counts bytes. What a link adds for an event is small against that
  where events are large, so that ratios near 1 say _as fast_ and no more; a ratio above 1 is within the spread of its pairs.
- CPU percent is of one core, that of threads of Node included. Where neither end comes near 100, it was not their work that bounded the rate.
- Pings go every ${PING_EVERY_MS} ms on the link's control stream; beside the bare stream on a second one.
- \`4.end-to-end-1k\` is the whole way: publisher, two meshers and subscriber with the streaming client. Best-effort events are dropped where more come than are taken, so the publisher goes on only when the
  subscriber has what was published some thousand events before; each event must arrive, once.
- The rows after it set one thing otherwise than links do, so a ratio below 1 is in favour of what links do. \`4.cipher-link\`: links use noise with Node's own ciphers. TLS costs
  less, as OpenSSL's AES is in the hardware, but libp2p's holds back nobody: a bare stream that was written to for four seconds had gigabytes waiting in memory (for which there is no row, as such a run does not end in time), so what is slow at one end would end the other. \`4.chunks-…\`: links write chunks that fill one
  record of noise: larger ones carry a little more on a bare stream, and made no difference between two meshers, so control frames need not wait for them. \`4.window-…\`: a link's window is by the round trip of its handshake, 256 KiB on loopback; a larger one carries more there, and pings wait several times as long
  behind what it holds. At a round trip of some ms (whatever passes
  is held up by half of it each way, in a process that shares the machine) a window is what bounds the rate.
`,
};
