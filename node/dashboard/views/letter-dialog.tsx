// One dead letter: why it is one, and the whole event.

import type { JSX } from 'preact';
import type { DeadLetterView } from '../../core/overview.ts';
import { api, type CloudEventJson, type LetterName } from '../data/api.ts';
import { useAnswer, useFederation } from '../data/hooks.ts';
import { formatAge, formatBytes, formatTime, plural } from '../model/format.ts';
import { payloadOf } from '../model/payload.ts';
import { whereabouts } from '../model/names.ts';
import { hashOf } from '../model/routes.ts';
import { Dialog } from '../parts/dialog.tsx';
import { Facts } from '../parts/facts.tsx';
import { ProblemNotice } from '../parts/notice.tsx';

interface Props {
  readonly at: LetterName;
  readonly onClose: () => void;
  readonly onSettle: (how: 'redrive' | 'drop', letter: DeadLetterView) => void;
}

export function LetterDialog({ at, onClose, onSettle }: Props): JSX.Element {
  const { value, problem } = useAnswer(JSON.stringify(at), (signal) => api.letter(at, signal));
  return (
    <Dialog title={value ? `Dead letter ${value.letter.id}` : 'Dead letter'} onClose={onClose} wide>
      {problem && <ProblemNotice problem={problem} />}
      {!value && !problem && <p class="quiet">Asking its mesher …</p>}
      {value && (
        <>
          <Letter letter={value.letter} />
          <Event event={value.event} />
          <div class="dialog-actions">
            <a
              class="button is-plain"
              href={hashOf('find', [], { source: value.letter.source, id: value.letter.id })}
            >
              Its way through the mesh
            </a>
            <button class="button is-danger" type="button" onClick={() => onSettle('drop', value.letter)}>
              Drop
            </button>
            <button class="button is-primary" type="button" onClick={() => onSettle('redrive', value.letter)}>
              Redrive
            </button>
          </div>
        </>
      )}
    </Dialog>
  );
}

function Letter({ letter }: { readonly letter: DeadLetterView }): JSX.Element {
  const { overview, now } = useFederation();
  return (
    <>
      <p class="why">
        <strong>{letter.reason}</strong>
      </p>
      <Facts
        facts={[
          ['Subscription', `${letter.subscription} at ${whereabouts(overview, letter.at.mesher)}`],
          ['Topic', <code key="topic">{letter.topic}</code>],
          ['Tries', plural(letter.attempts, 'try', 'tries')],
          ['Published', `${formatTime(letter.acceptedAt, now)}, ${formatAge(now - letter.acceptedAt)} ago`],
          ['Size', formatBytes(letter.bytes)],
        ]}
      />
    </>
  );
}

function Event({ event }: { readonly event: CloudEventJson }): JSX.Element {
  const { attributes, payload, note } = payloadOf(event);
  return (
    <>
      <h3>Attributes</h3>
      <Facts facts={attributes.map(([name, value]) => [name, <code key={name}>{value}</code>])} />
      <h3>Payload</h3>
      {note !== '' && <p class="quiet">{note}</p>}
      {payload !== '' && (
        <pre class="payload" tabIndex={0} role="region" aria-label="Payload">
          {payload}
        </pre>
      )}
    </>
  );
}
