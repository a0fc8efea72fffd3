// A mesher's configuration: flags over environment over YAML file over defaults, checked against one schema
// (config/schema.ts), then deeply frozen. Each module is handed its own section, never the whole. All that is wrong is
// said at once, each with its place. Holds no secrets: settings name the files that do.

import { Value } from 'typebox/value';
import { MeshError } from './core/errors.ts';
import { nearest } from './core/nearest.ts';
import { brokenConfigRelations, withoutPassword } from './config/relations.ts';
import type { Config } from './config/schema.ts';
import { parseText, settings } from './config/settings.ts';
import type { Setting } from './config/settings.ts';
import { readYamlFile } from './config/yaml-file.ts';
import type { Given } from './config/yaml-file.ts';

export type { Config } from './config/schema.ts';
export { configReference } from './config/reference.ts';

export interface ConfigSources {
  /** Flags by name without dashes, each with the texts it was given; a bare switch has `true`. */
  readonly flags: ReadonlyMap<string, readonly string[]>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Path of the YAML file; undefined: CAUSEWAY_CONFIG, else none. */
  readonly file?: string | undefined;
}

// One line must stay one line: beyond this many the rest is counted.
const problemsShownMax = 5;

// Variables of the command itself, which are no settings of a mesher.
const otherVariables = new Set(['CAUSEWAY_URL', 'CAUSEWAY_CONFIG']);

/**
 * Kubernetes and Docker put the addresses of a service named `causeway` into the environment of its neighbours:
 * CAUSEWAY_SERVICE_HOST, CAUSEWAY_PORT, CAUSEWAY_PORT_7400_TCP_ADDR. None of these is meant for us.
 */
const serviceLink = /_SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$/;

/** Throws `invalid-config`, naming every problem (the first few, and how many more) with its place. */
export function loadConfig(sources: ConfigSources): Config {
  const problems: string[] = [];
  const path = sources.file ?? sources.env['CAUSEWAY_CONFIG'];
  const file = path === undefined || path === '' ? { given: [], problems: [] } : readYamlFile(path);
  problems.push(...file.problems);
  // Later ones win.
  const given = [...file.given, ...fromEnvironment(sources.env, problems), ...fromFlags(sources.flags)];
  const values = new Map(settings.map((setting) => [setting.key, setting.default]));
  for (const each of given) {
    const problem = misfit(each);
    if (problem === undefined) values.set(each.setting.key, each.value);
    else problems.push(problem);
  }
  const config = assemble(values);
  if (problems.length === 0) problems.push(...missing(values));
  if (problems.length === 0) problems.push(...brokenConfigRelations(config));
  if (problems.length > 0) throw refusal(problems);
  return config;
}

function fromEnvironment(env: ConfigSources['env'], problems: string[]): Given[] {
  const byVariable = new Map(settings.map((setting) => [setting.variable, setting]));
  const given: Given[] = [];
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith('CAUSEWAY_') || text === undefined || otherVariables.has(variable)) continue;
    const setting = byVariable.get(variable);
    if (setting !== undefined) given.push({ setting, value: parseText(setting, [text]), place: variable });
    else if (!serviceLink.test(variable)) {
      const near = nearest(variable, byVariable.keys());
      problems.push(
        `environment: ${variable} is no setting, ${near === undefined ? `'causeway node --reference' lists them` : `the nearest is ${near}`}`,
      );
    }
  }
  return given;
}

function fromFlags(flags: ConfigSources['flags']): Given[] {
  const given: Given[] = [];
  for (const setting of settings) {
    const texts = [setting.flag, ...(setting.shortFlag === undefined ? [] : [setting.shortFlag])].flatMap(
      (name) => flags.get(name) ?? [],
    );
    if (texts.length > 0) {
      const name =
        setting.shortFlag !== undefined && flags.has(setting.shortFlag) ? setting.shortFlag : setting.flag;
      given.push({ setting, value: parseText(setting, texts), place: `--${name}` });
    }
  }
  return given;
}

function misfit({ setting, value, place }: Given): string | undefined {
  if (Value.Check(setting.schema, value)) return undefined;
  const shown = JSON.stringify(typeof value === 'string' ? withoutPassword(value) : value);
  return `${place}: ${setting.key} is ${shown.length > 80 ? `${shown.slice(0, 80)}…` : shown}, it must be ${expectation(setting, value)}`;
}

function expectation(setting: Setting, value: unknown): string {
  if (setting.kind === 'choice') return `one of ${setting.choices.join(', ')}`;
  if (setting.kind === 'switch') return 'true or false';
  if (setting.key === 'http.listen') return 'host:port, e.g. 127.0.0.1:7400';
  if (setting.key.startsWith('link.')) return 'a list of multiaddrs, e.g. /ip4/127.0.0.1/tcp/7401';
  if (setting.kind === 'map') return 'key=value pairs';
  const [first] = Value.Errors(setting.schema, value);
  const bound = first?.message.replace(/^must (be )?/, '') ?? '';
  if (setting.kind === 'number') return typeof value === 'number' ? bound : 'an integer';
  if (setting.kind === 'decimal') return typeof value === 'number' ? bound : 'a number, e.g. 0.01';
  if (typeof value !== 'string') return 'text';
  return value === ''
    ? 'not empty'
    : `text that ${bound.startsWith('match') ? `${bound.replace('match', 'matches')}` : bound}`;
}

function missing(values: ReadonlyMap<string, unknown>): string[] {
  return settings.flatMap(({ required, key, flag, variable }) =>
    required && values.get(key) === undefined
      ? [`${key} must be given: add --${flag}, ${variable}, or '${key}:' in the file`]
      : [],
  );
}

/** Only called with values that fitted their schema, and looked at only when nothing was missing. */
function assemble(values: ReadonlyMap<string, unknown>): Config {
  const root: Record<string, unknown> = {};
  for (const { key, path } of settings) {
    const value = values.get(key);
    if (value === undefined) continue;
    let section = root;
    for (const name of path.slice(0, -1)) section = (section[name] ??= {}) as Record<string, unknown>;
    section[path.at(-1) ?? ''] = structuredClone(value);
  }
  return freezeDeep(root) as unknown as Config;
}

function freezeDeep<T extends object>(value: T): T {
  for (const below of Object.values(value) as unknown[]) {
    if (typeof below === 'object' && below !== null) freezeDeep(below);
  }
  return Object.freeze(value);
}

function refusal(problems: readonly string[]): MeshError {
  const shown = problems.slice(0, problemsShownMax);
  const more = problems.length - shown.length;
  return new MeshError('invalid-config', shown.join('; ') + (more > 0 ? `; and ${more} more` : ''), {
    details: { problems },
  });
}
