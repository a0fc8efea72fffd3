// Reads the YAML file into settings, each with the line it stands on. Knows which keys exist; does not judge values.

import { readFileSync } from 'node:fs';
import { LineCounter, isMap, isScalar, parseDocument } from 'yaml';
import type { Document, Node } from 'yaml';
import { MeshError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { sections, settings, settingsByKey } from './settings.ts';
import type { Setting } from './settings.ts';

/** One setting as one source gives it. */
export interface Given {
  readonly setting: Setting;
  readonly value: unknown;
  /** For people: `causeway.yaml:3`, `CAUSEWAY_DATA`, `--data`. */
  readonly place: string;
}

export interface FileContent {
  readonly given: readonly Given[];
  readonly problems: readonly string[];
}

/** Throws `invalid-config` when the file cannot be read or is not YAML. */
export function readYamlFile(path: string): FileContent {
  return parseYaml(readText(path), path);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    const why = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`;
    throw new MeshError('invalid-config', `${path}: ${why}; name the file with --config`, { cause });
  }
}

export function parseYaml(text: string, path: string): FileContent {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const [error] = document.errors;
  if (error !== undefined) {
    const why = (error.message.split('\n', 1)[0] ?? '').replace(/ at line \d+, column \d+:?$/, '');
    throw new MeshError(
      'invalid-config',
      `${path}:${error.linePos?.[0].line ?? 1}: not valid YAML: ${why}; mend the file`,
    );
  }
  const given: Given[] = [];
  const problems: string[] = [];
  const place = (node: unknown): string => {
    const offset = (node as Partial<Node> | null)?.range?.[0];
    return offset === undefined ? path : `${path}:${lines.linePos(offset).line}`;
  };
  const walk = (node: unknown, above: readonly string[]): void => {
    if (node === null || (isScalar(node) && node.value === null)) return;
    if (!isMap(node)) {
      problems.push(
        `${place(node)}: '${above.join('.')}' must hold keys such as ${someKeys(above).join(', ')}`,
      );
      return;
    }
    for (const { key: keyNode, value } of node.items) {
      const name = isScalar(keyNode) ? String(keyNode.value) : String(keyNode);
      const below = [...above, name];
      const key = below.join('.');
      const setting = settingsByKey.get(key);
      if (setting !== undefined) {
        const plain = valueOf(value as Node | null, document);
        if (plain === undefined)
          problems.push(
            `${place(value)}: ${key} is an alias (*name) whose anchor (&name) does not come before it, or that grows too large`,
          );
        else given.push({ setting, value: plain.value, place: place(keyNode) });
      } else if (sections.has(key)) walk(value, below);
      else problems.push(unknownKey(place(keyNode), key));
    }
  };
  if (document.contents !== null) walk(document.contents, []);
  return { given, problems };
}

/** Undefined: its aliases cannot be followed, which the library says as a ReferenceError. */
function valueOf(node: Node | null, document: Document): { readonly value: unknown } | undefined {
  try {
    return { value: node?.toJS(document) ?? null };
  } catch (error) {
    if (error instanceof ReferenceError) return undefined;
    throw error;
  }
}

function someKeys(above: readonly string[]): string[] {
  const prefix = above.length === 0 ? '' : `${above.join('.')}.`;
  const keys = settings.flatMap(({ key }) =>
    key.startsWith(prefix) ? [`'${key.slice(prefix.length)}'`] : [],
  );
  return keys.slice(0, 3);
}

function unknownKey(place: string, key: string): string {
  const near = nearest(key, [...settingsByKey.keys(), ...sections]);
  return `${place}: '${key}' is no setting, ${near === undefined ? `'causeway node --reference' lists them` : `the nearest is '${near}'`}`;
}
