// The schema as a flat list of settings, and the names each one has in the environment and on the command line.
// One rule: `http.listen` is CAUSEWAY_HTTP_LISTEN and --http-listen; a few have a short flag besides.

import type { TSchema } from 'typebox';
import { configSchema } from './schema.ts';

export type SettingKind = 'text' | 'number' | 'decimal' | 'switch' | 'choice' | 'list' | 'map';

export interface Setting {
  /** `registry.leaseTtlMs` */
  readonly key: string;
  readonly path: readonly string[];
  readonly kind: SettingKind;
  readonly schema: TSchema;
  readonly description: string;
  /** Undefined: none. */
  readonly default: unknown;
  readonly required: boolean;
  readonly variable: string;
  readonly flag: string;
  /** A shorter flag for the same, or undefined. */
  readonly shortFlag: string | undefined;
  /** Texts allowed, of a choice. */
  readonly choices: readonly string[];
}

// What is set by hand most often gets a flag that is short to type.
const shortFlags: Readonly<Record<string, string>> = {
  'registry.address': 'registry',
  'http.listen': 'http',
  'link.listen': 'listen',
  'link.advertise': 'advertise',
  labels: 'label',
};

interface SchemaNode {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, TSchema>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly { readonly const?: unknown }[];
  readonly description?: string;
  readonly default?: unknown;
}

export const settings: readonly Setting[] = Object.freeze(flatten(configSchema, []));
export const settingsByKey: ReadonlyMap<string, Setting> = new Map(
  settings.map((setting) => [setting.key, setting]),
);
/** Keys under which more keys stand: `registry`, `http`, … */
export const sections: ReadonlySet<string> = new Set(
  settings.flatMap(({ path }) => (path.length > 1 ? [path.slice(0, -1).join('.')] : [])),
);

function flatten(section: TSchema, path: readonly string[]): Setting[] {
  const { properties = {}, required = [] } = section as SchemaNode;
  return Object.entries(properties).flatMap(([name, schema]) => {
    const below = [...path, name];
    const node = schema as SchemaNode;
    if (node.properties !== undefined) return flatten(schema, below);
    return [setting(schema, below, required.includes(name) && node.default === undefined)];
  });
}

function setting(schema: TSchema, path: readonly string[], required: boolean): Setting {
  const node = schema as SchemaNode;
  const key = path.join('.');
  const dashed = path.map((part) => part.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)).join('-');
  return Object.freeze({
    key,
    path,
    kind: kindOf(node),
    schema,
    description: node.description ?? '',
    default: node.default,
    required,
    variable: `CAUSEWAY_${dashed.replaceAll('-', '_').toUpperCase()}`,
    flag: dashed,
    shortFlag: shortFlags[key],
    choices: (node.anyOf ?? []).map((choice) => String(choice.const)),
  });
}

function kindOf(node: SchemaNode): SettingKind {
  if (node.anyOf !== undefined) return 'choice';
  if (node.type === 'integer') return 'number';
  if (node.type === 'number') return 'decimal';
  if (node.type === 'boolean') return 'switch';
  if (node.type === 'array') return 'list';
  return node.type === 'object' ? 'map' : 'text';
}

/**
 * What an environment variable or flag says, as a value of the setting's kind. Lists and maps come as several texts or
 * as one, parted by commas. What does not fit is handed on as the text it is, for the schema to refuse.
 */
export function parseText(setting: Setting, texts: readonly string[]): unknown {
  const text = texts.at(-1) ?? '';
  switch (setting.kind) {
    case 'text':
    case 'choice':
      return text;
    case 'number':
      return /^-?\d+$/.test(text) ? Number(text) : text;
    case 'decimal':
      return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
    case 'switch':
      return (
        ({ true: true, 1: true, yes: true, false: false, 0: false, no: false } as Record<string, boolean>)[
          text
        ] ?? text
      );
    case 'list':
      return splitList(texts);
    case 'map':
      return parseMap(splitList(texts));
  }
}

function splitList(texts: readonly string[]): string[] {
  return texts
    .flatMap((text) => text.split(','))
    .flatMap((item) => (item.trim() === '' ? [] : [item.trim()]));
}

function parseMap(items: readonly string[]): unknown {
  const entries: [string, string][] = [];
  for (const item of items) {
    const at = item.indexOf('=');
    if (at < 1) return item;
    entries.push([item.slice(0, at), item.slice(at + 1)]);
  }
  return Object.fromEntries(entries);
}
