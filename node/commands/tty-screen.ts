// The terminal's whole screen: the alternate one, so that what was there before comes back, without a cursor, and with keys as they are
// pressed.

import type { Screen, ScreenEvents } from './command.ts';

const TAKE = '\x1b[?1049h\x1b[?25l';
const GIVE_BACK = '\x1b[?25h\x1b[?1049l';

/** `whenEnding`: registers what is done when the process ends in whatever way, and returns what takes that back. */
export function ttyScreen(
  stdin: NodeJS.ReadStream,
  stdout: NodeJS.WriteStream,
  whenEnding: (giveBack: () => void) => () => void,
): Screen | undefined {
  if (!stdin.isTTY || !stdout.isTTY) return undefined;
  return {
    rows: () => stdout.rows || 24,
    take: (events: ScreenEvents) => {
      const heard = (bytes: Buffer): void => {
        for (const text of keysOf(bytes.toString())) events.key(text);
      };
      const resized = (): void => events.resized();
      const giveBack = (): void => void stdout.write(GIVE_BACK);
      const notEnding = whenEnding(giveBack);
      stdout.write(TAKE);
      stdin.setRawMode(true);
      stdin.on('data', heard);
      stdin.resume();
      stdout.on('resize', resized);
      return () => {
        stdout.off('resize', resized);
        stdin.off('data', heard);
        stdin.pause();
        stdin.setRawMode(false);
        giveBack();
        notEnding();
      };
    },
  };
}

/** Keys that were pressed in quick succession come together. */
export function keysOf(text: string): string[] {
  // eslint-disable-next-line no-control-regex -- escape sequences begin so
  return text.match(/\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])|[^]/gu) ?? [];
}
