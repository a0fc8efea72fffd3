// The reference of all settings as Markdown, made from the schema; docs/config.md holds it, and a test compares.

import { settings } from './settings.ts';
import type { Setting } from './settings.ts';

const introduction = `# Configuration

A mesher takes its settings from flags, environment variables and one YAML file (\`--config causeway.yaml\`, or
\`CAUSEWAY_CONFIG\`), in this order: a flag wins over a variable, a variable over the file, the file over the default. A key
that does not exist is an error that names the one that was probably meant. Lists and maps are written with commas in variables
(\`CAUSEWAY_LABELS=zone=a,rack=7\`) and flags, or by giving the flag several times; the source that wins replaces the whole.
Secrets are never settings: a setting names the file that holds one.

This table is generated (\`causeway node --reference\`).
`;

export function configReference(): string {
  const rows = settings.map((setting) => [
    `\`${setting.key}\``,
    kindText(setting),
    defaultText(setting),
    `\`${setting.variable}\``,
    flagText(setting),
    setting.description,
  ]);
  const head = ['setting', 'type', 'default', 'variable', 'flag', 'what it does'];
  const cells = [head, ...rows].map((row) => row.map(escapeCell));
  // Padded as prettier pads, so that formatting the docs changes nothing.
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [first = [], ...others] = cells;
  const lines = [line(first), line(widths.map((width) => '-'.repeat(width))), ...others.map(line)];
  return `${introduction}\n${lines.join('\n')}\n`;
}

function kindText(setting: Setting): string {
  switch (setting.kind) {
    case 'choice':
      return setting.choices.map((choice) => `\`${choice}\``).join(', ');
    case 'list':
      return 'list of text';
    case 'map':
      return 'map of text';
    case 'switch':
      return 'true, false';
    case 'number':
      return 'integer';
    case 'decimal':
      return 'number';
    case 'text':
      return 'text';
  }
}

function defaultText(setting: Setting): string {
  if (setting.required) return 'none, must be given';
  if (setting.default === undefined) return 'none';
  if (typeof setting.default === 'object' && Object.keys(setting.default as object).length === 0)
    return 'empty';
  return `\`${Array.isArray(setting.default) ? setting.default.join(',') : JSON.stringify(setting.default).replaceAll('"', '')}\``;
}

function flagText(setting: Setting): string {
  return setting.shortFlag === undefined
    ? `\`--${setting.flag}\``
    : `\`--${setting.shortFlag}\`, \`--${setting.flag}\``;
}

function escapeCell(cell: string): string {
  return cell.replaceAll('|', '\\|');
}
