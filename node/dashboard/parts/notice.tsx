// What the mesher refused, what it could not ask, what it left out.

import type { JSX } from 'preact';
import type { Problem } from '../data/api.ts';
import { useFederation } from '../data/hooks.ts';
import { formatCount, plural } from '../model/format.ts';
import { whereabouts } from '../model/names.ts';
import { Icon } from './icon.tsx';

export function ProblemNotice({ problem }: { readonly problem: Problem }): JSX.Element {
  return (
    <div class="notice" data-tone="bad" role="alert">
      <Icon name="down" />
      <p>
        <strong>{problem.title}</strong>
        {problem.detail !== '' && <>: {problem.detail}</>}
        {problem.code !== '' && (
          <>
            {' '}
            (<a href={`/errors/${problem.code}`}>{problem.code}</a>)
          </>
        )}
      </p>
    </div>
  );
}

export function SilentNotice({
  silent,
}: {
  readonly silent: readonly { readonly mesher: string; readonly why: string }[];
}): JSX.Element | null {
  const { overview } = useFederation();
  if (silent.length === 0) return null;
  return (
    <div class="notice" data-tone="slow" role="note">
      <Icon name="unknown" />
      <div>
        <p>
          <strong>{plural(silent.length, 'mesher')} did not answer:</strong> what{' '}
          {silent.length === 1 ? 'it holds' : 'they hold'} is not in here.
        </p>
        <ul>
          {silent.map(({ mesher, why }) => (
            <li key={mesher}>
              {whereabouts(overview, mesher)}: {why}
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}

/** Of a list that is made of what meshers say of themselves. */
export function SilentMeshersNotice(): JSX.Element | null {
  const { overview } = useFederation();
  const silent = overview.meshers.filter((mesher) => mesher.silent !== '');
  return <SilentNotice silent={silent.map((mesher) => ({ mesher: mesher.node, why: mesher.silent }))} />;
}

/** `list`: its name in `Overview.cut`. */
export function CutNotice({
  list,
  shown,
}: {
  readonly list: string;
  readonly shown: number;
}): JSX.Element | null {
  const { overview } = useFederation();
  const all = overview.cut[list];
  if (all === undefined) return null;
  return (
    <p class="notice" data-tone="quiet" role="note">
      <Icon name="unknown" />
      <span>
        {formatCount(shown)} of {formatCount(all)} are here: the mesher gathers no more. Ask a mesher of the
        cluster itself for the rest.
      </span>
    </p>
  );
}
