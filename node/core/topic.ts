// Topics and filters in MQTT's syntax (MQTT 5.0 §4.7): levels parted by `/`; a filter may have `+` for one level and
// `#` for the rest. Stricter than MQTT in one thing: no level may be empty, since an empty level is nearly always a
// typing error (`orders//eu`) that would otherwise match nothing in silence. `$`-topics are internal.

import { MeshError } from './errors.ts';
import type { Limits } from './limits.ts';

type TopicLimits = Pick<Limits, 'topicBytesMax' | 'topicLevelsMax'>;

/** Of the mesh's own events: no user can publish there, nor does any filter of a user match it. They count for no user either. */
export function isInternal(topic: string): boolean {
  return topic.startsWith('$');
}

/** Throws `invalid-topic` saying where; returns the topic. Users may not name `$`-topics. */
export function checkTopic(topic: string, limits: TopicLimits): string {
  checkShape(topic, 'topic', limits);
  const wildcard = topic.search(/[+#]/);
  if (wildcard >= 0)
    throw refusal(
      'topic',
      topic,
      wildcard,
      `'${topic.charAt(wildcard)}' is a wildcard, which only filters may have`,
    );
  return topic;
}

/** Throws `invalid-filter` saying where; returns the filter. */
export function checkFilter(filter: string, limits: TopicLimits): string {
  checkShape(filter, 'filter', limits);
  let start = 0;
  for (const level of filter.split('/')) {
    const at = level.search(/[+#]/);
    if (at >= 0 && level.length > 1) {
      throw refusal(
        'filter',
        filter,
        start + at,
        `'${level.charAt(at)}' must stand alone between two '/' [MQTT-4.7.1-2]`,
      );
    }
    if (level === '#' && start + 1 < filter.length) {
      throw refusal('filter', filter, start, `'#' must be the last level [MQTT-4.7.1-1]`);
    }
    start += level.length + 1;
  }
  return filter;
}

function checkShape(text: string, what: 'topic' | 'filter', limits: TopicLimits): void {
  if (text === '') throw refusal(what, text, 0, 'it is empty');
  if (isInternal(text)) throw refusal(what, text, 0, `names that start with '$' are internal`);
  const bytes = Buffer.byteLength(text);
  if (bytes > limits.topicBytesMax) {
    throw refusal(
      what,
      text,
      limits.topicBytesMax,
      `it has ${bytes} bytes, the limit is ${limits.topicBytesMax}`,
    );
  }
  const control = text.search(/[\p{Cc}\p{Cs}]/u);
  if (control >= 0)
    throw refusal(what, text, control, 'control characters and lone surrogates are not allowed');
  const levels = text.split('/');
  if (levels.length > limits.topicLevelsMax) {
    throw refusal(what, text, 0, `it has ${levels.length} levels, the limit is ${limits.topicLevelsMax}`);
  }
  let start = 0;
  for (const level of levels) {
    if (level === '')
      throw refusal(
        what,
        text,
        start,
        `a level is empty (write 'a/b', without leading, trailing or double '/')`,
      );
    start += level.length + 1;
  }
}

function refusal(what: 'topic' | 'filter', text: string, at: number, why: string): MeshError {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return new MeshError(
    what === 'topic' ? 'invalid-topic' : 'invalid-filter',
    `${what} ${JSON.stringify(shown)}, character ${at + 1}: ${why}`,
    {
      details: { [what]: shown, position: at + 1 },
    },
  );
}

/**
 * `com.github.push` → `com/github/push`. Types are free text: what cannot be in a topic becomes `_`. '' where nothing is
 * left (`...`), and longer than a topic may be where the type is: the caller checks the result as it does a named topic.
 */
export function topicOfType(type: string): string {
  return type
    .split('.')
    .filter((level) => level !== '')
    .map((level) => level.replace(/[+#/$\s\p{Cc}\p{Cs}]/gu, '_'))
    .join('/');
}

/** MQTT matching, one filter against one topic. The table uses FilterTree; this is for single checks and as its twin in tests. */
export function matches(filter: string, topic: string): boolean {
  const wanted = filter.split('/');
  const levels = topic.split('/');
  if (topic.startsWith('$') && (wanted[0] === '+' || wanted[0] === '#')) return false; // [MQTT-4.7.2-1]
  for (let i = 0; i < wanted.length; i++) {
    const level = wanted[i];
    if (level === '#') return true;
    if (i >= levels.length) return false;
    if (level !== '+' && level !== levels[i]) return false;
  }
  return wanted.length === levels.length;
}
