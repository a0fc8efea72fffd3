// Signs, drawn with the colour of the text around them. They never stand alone for a meaning: words are beside them.

import type { JSX } from 'preact';

const PATHS = {
  causeway: 'M2 15c4 0 4-8 8-8s4 8 8 8M2 15h.01M10 7h.01M18 15h.01',
  overview: 'M3 10.5 10 4l7 6.5M5 9v7h10V9',
  map: 'M5 6.5a2 2 0 1 0 0-.01M15 6.5a2 2 0 1 0 0-.01M10 15a2 2 0 1 0 0-.01M7 6h6M6 8l3 5M14 8l-3 5',
  flow: 'M2 14l4-5 4 3 4-7 4 4',
  topics: 'M3 5h14M3 10h14M3 15h9',
  subscriptions: 'M4 4h12v8H4zM8 16h4M10 12v4',
  'dead-letters': 'M3 5h14v10H3zM3 5l7 6 7-6',
  find: 'M9 4a5 5 0 1 0 .01 0M13 13l4 4',
  'dry-run': 'M3 10h6M9 10l5-5h3M9 10l5 5h3',
  menu: 'M3 5h14M3 10h14M3 15h14',
  live: 'M10 10h.01M6.5 13.5a5 5 0 0 1 0-7M13.5 6.5a5 5 0 0 1 0 7',
  wait: 'M10 3a7 7 0 1 0 .01 0M10 6v4l3 2',
  up: 'M10 3a7 7 0 1 0 .01 0M6.8 10.2l2.3 2.3 4.2-4.6',
  down: 'M7 3h6l4 4v6l-4 4H7l-4-4V7zM7.5 7.5l5 5M12.5 7.5l-5 5',
  slow: 'M10 3.2 17.6 16.5H2.4zM10 8.2v4M10 14.3v.01',
  gapped: 'M10 2.5 17.5 10 10 17.5 2.5 10zM7 10h1.4M11.6 10H13',
  unknown: 'M10 3a7 7 0 1 0 .01 0M8 8a2 2 0 1 1 2.6 1.9c-.4.1-.6.4-.6.8v.6M10 13.5v.01',
  close: 'M5 5l10 10M15 5 5 15',
  arrow: 'M4 10h12M11 5l5 5-5 5',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { readonly name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
