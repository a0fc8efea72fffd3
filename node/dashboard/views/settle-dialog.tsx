// Asks before dead letters are sent again or dropped, with how many and what that means.

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { type LetterFilter, type LettersChosen, Problem, type Settled } from '../data/api.ts';
import { useAnswer } from '../data/hooks.ts';
import { type Count, countLetters } from '../data/letters.ts';
import { formatCount } from '../model/format.ts';
import { Dialog } from '../parts/dialog.tsx';
import { ProblemNotice } from '../parts/notice.tsx';

export interface Intent {
  readonly how: 'redrive' | 'drop';
  readonly which: LettersChosen;
  /** Undefined: not known, and to be counted. */
  readonly count: number | undefined;
}

interface Props {
  readonly intent: Intent;
  readonly settle: () => Promise<Settled>;
  readonly onClose: () => void;
  readonly onDone: (result: Settled) => void;
}

export function SettleDialog({ intent, settle, onClose, onDone }: Props): JSX.Element {
  const { how, which } = intent;
  const [pending, setPending] = useState(false);
  const [refused, setRefused] = useState<Problem | undefined>(undefined);
  const { counted, problem } = useCount(intent);
  const run = (): void => {
    setPending(true);
    settle().then(onDone, (error: unknown) => {
      setPending(false);
      setRefused(error instanceof Problem ? error : new Problem('This page has a fault', String(error), ''));
    });
  };
  const verb = how === 'drop' ? 'Drop' : 'Redrive';
  const number = counted && `${formatCount(counted.count)}${counted.more ? ' or more' : ''}`;
  const isOne = counted?.count === 1;
  const fault = refused ?? problem;
  return (
    <Dialog
      title={number === undefined ? `${verb} …` : `${verb} ${number} dead ${isOne ? 'letter' : 'letters'}?`}
      onClose={onClose}
    >
      <p>
        {how === 'drop'
          ? `${isOne ? 'It is' : 'They are'} deleted for good, payload and all. This cannot be undone.`
          : `${isOne ? 'It goes' : 'They go'} back into the subscription’s queue, to be delivered again as if just come.`}
      </p>
      {'filter' in which && <FilterWords filter={which.filter} />}
      {fault && <ProblemNotice problem={fault} />}
      <div class="dialog-actions">
        <button class="button" type="button" onClick={onClose} autofocus={how === 'drop'}>
          Cancel
        </button>
        <button
          class={how === 'drop' ? 'button is-danger' : 'button is-primary'}
          type="button"
          disabled={pending || number === undefined}
          onClick={run}
        >
          {number === undefined ? 'Counting …' : pending ? 'Working …' : `${verb} ${number}`}
        </button>
      </div>
    </Dialog>
  );
}

function useCount({ which, count }: Intent): { counted: Count | undefined; problem: Problem | undefined } {
  const filter = 'filter' in which ? which.filter : undefined;
  const { value, problem } = useAnswer(count === undefined ? JSON.stringify(filter) : undefined, (signal) =>
    countLetters(filter ?? {}, signal),
  );
  return count === undefined ? { counted: value, problem } : { counted: { count, more: false }, problem };
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
