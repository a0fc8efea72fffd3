// What may be wider than its place: moved sideways, also by keyboard, where it is.

import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

interface Props {
  readonly label: string;
  readonly children: ComponentChildren;
}

export function Scroll({ label, children }: Props): JSX.Element {
  const [element, setElement] = useState<HTMLDivElement | null>(null);
  const [over, setOver] = useState(false);
  useEffect(() => {
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => setOver(element.scrollWidth > element.clientWidth + 1));
    observer.observe(element);
    if (element.firstElementChild) observer.observe(element.firstElementChild);
    return () => observer.disconnect();
  }, [element]);
  // A stop for the keyboard only where there is something to move.
  const region = over
    ? { tabIndex: 0, role: 'region' as const, 'aria-label': `${label}, scrolls sideways` }
    : {};
  return (
    <div class="table-scroll" ref={setElement} {...region}>
      {children}
    </div>
  );
}
