// The state of a thing as sign, word and colour; and the place that something has on the page.

import type { ComponentChildren, JSX } from 'preact';
import type { MesherOverview, SubscriptionOverview } from '../../core/overview.ts';
import type { LinkState } from '../model/links.ts';
import { Icon, type IconName } from './icon.tsx';

export type Tone = 'good' | 'slow' | 'gapped' | 'bad' | 'quiet';

export const LINK_STATES: Readonly<Record<LinkState, { tone: Tone; icon: IconName; word: string }>> = {
  up: { tone: 'good', icon: 'up', word: 'Up' },
  slow: { tone: 'slow', icon: 'slow', word: 'Slow' },
  gapped: { tone: 'gapped', icon: 'gapped', word: 'Gapped' },
  down: { tone: 'bad', icon: 'down', word: 'Down' },
};

export function State({
  tone,
  icon,
  children,
}: {
  readonly tone: Tone;
  readonly icon: IconName;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <span class="state" data-tone={tone}>
      <Icon name={icon} />
      {children}
    </span>
  );
}

export function LinkStateBadge({ state }: { readonly state: LinkState }): JSX.Element {
  const { tone, icon, word } = LINK_STATES[state];
  return (
    <State tone={tone} icon={icon}>
      {word}
    </State>
  );
}

export function mesherState({ status, silent, figures }: MesherOverview): {
  tone: Tone;
  icon: IconName;
  word: string;
} {
  if (status === 'dead') return { tone: 'bad', icon: 'down', word: 'Gone' };
  if (status === 'suspect') return { tone: 'slow', icon: 'slow', word: 'Suspect' };
  if (silent !== '') return { tone: 'slow', icon: 'unknown', word: 'Silent' };
  if (figures?.ready.ready === false) return { tone: 'slow', icon: 'wait', word: 'Not ready' };
  return { tone: 'good', icon: 'up', word: 'Alive' };
}

export function MesherStateBadge({ mesher }: { readonly mesher: MesherOverview }): JSX.Element {
  const { tone, icon, word } = mesherState(mesher);
  return (
    <State tone={tone} icon={icon}>
      {word}
    </State>
  );
}

export function SubscriptionStateBadge({ of }: { readonly of: SubscriptionOverview }): JSX.Element {
  return of.stuck === '' ? (
    <State tone="good" icon="up">
      Keeps up
    </State>
  ) : (
    <State tone="slow" icon="slow">
      Does not keep up
    </State>
  );
}
