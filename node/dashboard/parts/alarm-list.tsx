// What is wrong, the worst first: what, since when, what to do, and the way there.

import type { JSX } from 'preact';
import type { Alarm } from '../../core/overview.ts';
import { useFederation } from '../data/hooks.ts';
import { formatAge, formatTime } from '../model/format.ts';
import { hashOf } from '../model/routes.ts';
import { alarmKey } from './announcer.tsx';
import { Icon } from './icon.tsx';

export function AlarmList({ alarms }: { readonly alarms: readonly Alarm[] }): JSX.Element {
  const { now } = useFederation();
  return (
    <ol class="alarms">
      {alarms.map((alarm) => {
        const { severity, text, help, since } = alarm;
        const place = placeOf(alarm);
        return (
          <li key={alarmKey(alarm)} class="alarm" data-tone={severity === 'critical' ? 'bad' : 'slow'}>
            <Icon name={severity === 'critical' ? 'down' : 'slow'} />
            <div class="alarm-body">
              <p class="alarm-head">
                <strong class="alarm-severity">{severity === 'critical' ? 'Critical' : 'Warning'}</strong>
                {since > 0 && (
                  <span>
                    for {formatAge(now - since)}, since{' '}
                    <time dateTime={new Date(since).toISOString()}>{formatTime(since, now)}</time>
                  </span>
                )}
              </p>
              <p class="alarm-text">{text}</p>
              <p class="alarm-help">
                <span class="alarm-todo">To do:</span> {help}
              </p>
            </div>
            {place && (
              <a class="button" href={place.href}>
                {place.title}
                <span class="hidden">: {text}</span>
                <Icon name="arrow" />
              </a>
            )}
          </li>
        );
      })}
    </ol>
  );
}

/** Where on the page it is to be looked at. */
export function placeOf({
  code,
  about,
}: Alarm): { readonly href: string; readonly title: string } | undefined {
  const { cluster = '', mesher, peer, subscription } = about;
  if (code === 'dead-letters')
    return {
      href: hashOf('dead-letters', [], { cluster, subscription: subscription ?? '' }),
      title: 'Show them',
    };
  if (mesher !== undefined && peer !== undefined)
    return { href: hashOf('map', ['link', mesher, peer]), title: 'Show the link' };
  if (mesher !== undefined && subscription !== undefined)
    return { href: hashOf('subscriptions', [mesher, subscription]), title: 'Show the subscription' };
  if (mesher !== undefined) return { href: hashOf('map', ['mesher', mesher]), title: 'Show the mesher' };
  return cluster === ''
    ? undefined
    : { href: hashOf('map', ['cluster', cluster]), title: 'Show the cluster' };
}
