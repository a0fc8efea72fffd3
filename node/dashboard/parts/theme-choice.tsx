// Light, dark, or as the system is set. Kept in this browser.

import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

const THEMES = [
  { name: 'auto', title: 'System colours' },
  { name: 'light', title: 'Light' },
  { name: 'dark', title: 'Dark' },
] as const;
const KEY = 'causeway-theme';

export function ThemeChoice(): JSX.Element {
  const [theme, setTheme] = useState(stored);
  useEffect(() => {
    document.documentElement.dataset['theme'] = theme;
  }, [theme]);
  return (
    <label class="theme">
      <span class="hidden">Colours</span>
      <select
        value={theme}
        onChange={({ currentTarget: { value } }) => {
          setTheme(value);
          keep(value);
        }}
      >
        {THEMES.map(({ name, title }) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </select>
    </label>
  );
}

function stored(): string {
  try {
    return localStorage.getItem(KEY) ?? 'auto';
  } catch {
    // A browser that keeps nothing: as the system is set.
    return 'auto';
  }
}

function keep(theme: string): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // It holds until the page is closed.
  }
}
