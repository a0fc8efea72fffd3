// Asks before dead letters are sent again or dropped, with how many and what that means.

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { type LetterFilter, type LetterName, Problem, type Settled } from '../data/api.ts';
import { formatCount, plural } from '../model/format.ts';
import { Dialog } from '../parts/dialog.tsx';
import { ProblemNotice } from '../parts/notice.tsx';

export interface Intent {
  readonly how: 'redrive' | 'drop';
  readonly which: { readonly letters: readonly LetterName[] } | { readonly filter: Partial<LetterFilter> };
  /** As far as it is known. */
  readonly count: number;
}

interface Props {
  readonly intent: Intent;
  readonly settle: () => Promise<Settled>;
  readonly onClose: () => void;
  readonly onDone: (result: Settled) => void;
}

export function SettleDialog({ intent: { how, which, count }, settle, onClose, onDone }: Props): JSX.Element {
  const [pending, setPending] = useState(false);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const run = (): void => {
    setPending(true);
    settle().then(onDone, (error: unknown) => {
      setPending(false);
      setProblem(error instanceof Problem ? error : new Problem('This page has a fault', String(error), ''));
    });
  };
  const what = plural(count, 'dead letter');
  const words =
    how === 'drop'
      ? {
          title: `Drop ${what}?`,
          text: `${count === 1 ? 'It is' : 'They are'} deleted for good, payload and all. This cannot be undone.`,
        }
      : {
          title: `Redrive ${what}?`,
          text: `${count === 1 ? 'It goes' : 'They go'} back into the subscription’s queue, and ${count === 1 ? 'is' : 'are'} delivered again from the first try on.`,
        };
  return (
    <Dialog title={words.title} onClose={onClose}>
      <p>{words.text}</p>
      {'filter' in which && <FilterWords filter={which.filter} />}
      {problem && <ProblemNotice problem={problem} />}
      <div class="dialog-actions">
        <button class="button" type="button" onClick={onClose} autofocus={how === 'drop'}>
          Cancel
        </button>
        <button
          class={how === 'drop' ? 'button is-danger' : 'button is-primary'}
          type="button"
          disabled={pending}
          onClick={run}
        >
          {pending ? 'Working …' : `${how === 'drop' ? 'Drop' : 'Redrive'} ${formatCount(count)}`}
        </button>
      </div>
    </Dialog>
  );
}

function FilterWords({ filter }: { readonly filter: Partial<LetterFilter> }): JSX.Element {
  const parts = Object.entries(filter);
  return (
    <p class="notice" data-tone="slow">
      {parts.length === 0
        ? 'This concerns all dead letters of all clusters.'
        : `This concerns all with ${parts.map(([key, value]) => `${key} ${value}`).join(', ')}.`}{' '}
      Those that arrive until then are concerned, too.
    </p>
  );
}
