// Lint rules of this project's own: which folder may import which, and what keeps node/core pure. The table is
// the drawing in ARCHITECTURE.md in another form; change both together. Paths are resolved before they are
// compared, and `import()`, `export from` and types count as imports.

import { dirname, relative, resolve, sep } from 'node:path';
import type { ESTree } from '@oxlint/plugins';
import { definePlugin, defineRule } from '@oxlint/plugins';

type Arrow = {
  readonly folder: string;
  readonly mayImport: readonly string[];
  readonly packages?: readonly string[];
};

// A folder may always import itself; `*` stands for one name, and each such folder is on its own; the first row that fits
// holds. What may be imported is a folder of the table, or a single file. `packages`, where it is given, names all that is
// allowed beyond relative imports. What stands in no row may import everything.
const arrows: readonly Arrow[] = [
  { folder: 'node/core', mayImport: [], packages: ['node:crypto'] },
  { folder: 'node/wire', mayImport: ['node/core'] },
  { folder: 'node/journal', mayImport: ['node/core', 'node/wire'] },
  { folder: 'node/net', mayImport: ['node/core', 'node/wire'] },
  { folder: 'node/observe/otel', mayImport: ['node/core', 'node/wire'] },
  { folder: 'node/observe', mayImport: ['node/core', 'node/wire'] },
  { folder: 'node/http', mayImport: ['node/core'] },
  // Types only: the page shares no code with the mesher.
  { folder: 'node/dashboard', mayImport: ['node/core'] },
  { folder: 'registry', mayImport: ['node/core'] },
  // The streaming protocol has a codec of its own, made of the same primitives.
  { folder: 'bridge/ws/frames', mayImport: ['node/core', 'node/wire'] },
  {
    folder: 'bridge/ws',
    mayImport: [
      'node/core',
      'node/wire/byte-reader.ts',
      'node/wire/byte-writer.ts',
      'node/wire/cloud-event-batch.ts',
      'node/wire/protobuf-fields.ts',
      'node/wire/wire-error.ts',
    ],
  },
  { folder: 'bridge/*', mayImport: ['node/core'] },
  // Of the streaming protocol a client needs the codec, and nothing of a mesher.
  {
    folder: 'sdk/typescript',
    mayImport: ['node/core', 'node/wire', 'bridge/ws/frames', 'dist/sdk/typescript/client.js'],
  },
];

type Place = { readonly folder: string; readonly arrow: Arrow };

function placeOf(path: string): Place | undefined {
  const names = path.split('/');
  for (const arrow of arrows) {
    const pattern = arrow.folder.split('/');
    const fits =
      names.length > pattern.length && pattern.every((name, at) => name === '*' || name === names[at]);
    if (fits) return { folder: names.slice(0, pattern.length).join('/'), arrow };
  }
  return undefined;
}

/** Says why this import is wrong, or undefined. Paths are relative to the project, with `/`. */
function objection(importer: string, specifier: string): string | undefined {
  const from = placeOf(importer);
  if (from === undefined) return undefined;
  const { folder, arrow } = from;
  if (!specifier.startsWith('.')) {
    if (arrow.packages?.includes(specifier) ?? true) return undefined;
    return `${folder} is pure: beyond its own files it may import only ${arrow.packages?.join(', ') ?? ''}`;
  }
  const target = relative('.', resolve(dirname(importer), specifier))
    .split(sep)
    .join('/');
  if (target.startsWith(`${folder}/`)) return undefined;
  const to = placeOf(target);
  if (arrow.mayImport.includes(target)) return undefined;
  if (to !== undefined && arrow.mayImport.includes(to.folder)) return undefined;
  const allowed =
    arrow.mayImport.length === 0 ? 'nothing else of the project' : `only ${arrow.mayImport.join(' and ')}`;
  return `${folder} may import ${allowed}, not ${to?.folder ?? target}`;
}

const folders = defineRule({
  create(context) {
    const importer = relative(context.cwd, context.filename).split(sep).join('/');
    const check = (source: ESTree.Expression | null) => {
      if (source?.type !== 'Literal' || typeof source.value !== 'string') return;
      const message = objection(importer, source.value);
      if (message !== undefined) context.report({ message, node: source });
    };
    return {
      ImportDeclaration: (node) => check(node.source),
      ExportAllDeclaration: (node) => check(node.source),
      ExportNamedDeclaration: (node) => check(node.source),
      ImportExpression: (node) => check(node.source),
      TSImportType: (node) => check(node.source),
    };
  },
});

/** What the lint's own rules cannot say of a core that is synchronous and is told the time. */
const pure = defineRule({
  create(context) {
    return {
      AwaitExpression: (node) =>
        context.report({ message: 'the core does not wait: return an effect', node }),
      NewExpression: (node) => {
        const isClock =
          node.callee.type === 'Identifier' && node.callee.name === 'Date' && node.arguments.length === 0;
        if (isClock) context.report({ message: 'the core has no clock: time comes with the input', node });
      },
    };
  },
});

export default definePlugin({ meta: { name: 'causeway' }, rules: { folders, pure } });
