// Says, to who listens, which alarms are new and which are over. What was there when the page was opened is read with it.

import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Alarm } from '../../core/overview.ts';

export function Announcer({ alarms }: { readonly alarms: readonly Alarm[] }): JSX.Element {
  const [said, setSaid] = useState('');
  const known = useRef<ReadonlyMap<string, Alarm> | undefined>(undefined);
  const now = new Map(alarms.map((alarm) => [alarmKey(alarm), alarm]));
  const keys = [...now.keys()].toSorted().join('\n');
  useEffect(() => {
    const before = known.current;
    known.current = now;
    if (before === undefined) return;
    const begun = [...now].filter(([key]) => !before.has(key)).map(([, { text }]) => `New alarm: ${text}`);
    const over = [...before].filter(([key]) => !now.has(key)).length;
    if (over > 0) begun.push(`${over} of the alarms ${over === 1 ? 'is' : 'are'} over, ${now.size} left.`);
    setSaid(begun.join(' '));
  }, [keys]);
  return (
    <p class="hidden" role="status" aria-live="polite">
      {said}
    </p>
  );
}

/** The same alarm, however its text goes on. */
export function alarmKey({ code, about }: Alarm): string {
  return JSON.stringify([code, about.cluster, about.mesher, about.peer, about.subscription]);
}
