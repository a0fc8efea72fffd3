// The targets by name. Each is loaded by itself, so that a thread holds, and V8 counts, what its target needs and no more.

import type { Target } from '../target.ts';

const TARGETS: Readonly<Record<string, () => Promise<{ readonly target: Target }>>> = {
  'client-frames': () => import('./client-frames.ts'),
  'mesher-frames': () => import('./mesher-frames.ts'),
  'ws-connection': () => import('./ws-connection.ts'),
  'link-frames': () => import('./link-frames.ts'),
  'event-records': () => import('./event-records.ts'),
  'route-records': () => import('./route-records.ts'),
  'hostile-member': () => import('./hostile-member.ts'),
  'journal-values': () => import('./journal-values.ts'),
  'front-door': () => import('./front-door.ts'),
  'cloudevent-protobuf': () => import('./cloudevent-protobuf.ts'),
  'cloudevent-json': () => import('./cloudevent-json.ts'),
  'http-messages': () => import('./http-messages.ts'),
  'http-api': () => import('./http-api.ts'),
  'trace-contexts': () => import('./trace-contexts.ts'),
  'topics-and-tokens': () => import('./topics-and-tokens.ts'),
  config: () => import('./config.ts'),
  arguments: () => import('./arguments.ts'),
  'registry-records': () => import('./registry-records.ts'),
  'registry-answers': () => import('./registry-answers.ts'),
  'registry-api': () => import('./registry-api.ts'),
};

export const TARGET_NAMES: readonly string[] = Object.keys(TARGETS);

/** With faults, for the fuzzer's own tests. */
const PLANTED: typeof TARGETS = {
  'planted-endless': async () => ({ target: (await import('../planted.ts')).endless }),
  'planted-deadly': async () => ({ target: (await import('../planted.ts')).deadly }),
};

export async function targetNamed(name: string): Promise<Target> {
  const load = TARGETS[name] ?? PLANTED[name];
  if (load === undefined) throw new Error(`there is no target ${name}; there are ${TARGET_NAMES.join(', ')}`);
  return (await load()).target;
}
