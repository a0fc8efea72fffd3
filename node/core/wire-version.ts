// Versions of what meshers say to each other on links. Two meshers speak the highest version that both know: it is a part of the
// names of their streams' protocols, and so agreed before the first byte. So that a federation can be upgraded mesher by mesher,
//
//   - a kind of message that is new, or is changed in any way, belongs to a new version; what a version says stays as it is;
//   - a mesher knows the version before its own as well;
//   - nothing is said on a link that its version does not have, and who hears it refuses it and closes the link, as with bytes left
//     over at the end of a message: passing over what somebody believes to be kept would lose it.
//
// Gossip goes to many at once and is agreed with nobody: its bytes begin with a version of their own (route-record.ts), and who cannot
// read them pulls what they said over a link. What is signed, or stored as it came (records, events), may change only when all members
// know the change.

import type { LinkMessage } from './messages.ts';

/** What links speak where both ends are of today. */
export const WIRE_VERSION = 2;
/** All that can be spoken, the newest first. */
export const WIRE_VERSIONS = [2, 1] as const;

/** The first version that has it. */
const SINCE: Partial<Record<LinkMessage['kind'], number>> = {
  'copy-open': 2,
  'copy-ready': 2,
  'copy-start': 2,
  'copy-batch': 2,
  'copy-range': 2,
  'copy-ack': 2,
  'copy-drop': 2,
  'copy-held': 2,
  'members-away': 2,
};

/** Whether a link of this version has such a message. */
export function speaks(version: number, kind: LinkMessage['kind']): boolean {
  return version >= (SINCE[kind] ?? 1);
}
