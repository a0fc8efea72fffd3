// Every bound of the registry part, with its unit, its reason and what happens at it. The server holds its callers to
// them and the client checks before it sends, so that every implementation refuses the same things.

import { LIMITS } from '../node/core/limits.ts';

export const REGISTRY_LIMITS = Object.freeze({
  /** Federations of one embedded registry: each keeps maps of its own. Above: `overloaded`. */
  federationsMax: 256,
  /** Members of one federation: as many as a mesher will know. Above: `overloaded`. */
  membersMax: LIMITS.membersMax,
  /** Settings of one federation: they are listed whole. Above: `overloaded`. */
  settingsMax: 4096,
  /** UTF-8 bytes of a setting's key; it travels in a query string. Above: `invalid-request`. */
  settingKeyBytesMax: 512,
  /** UTF-8 bytes of a setting's value: settingsMax of the usual size still list in one answer. Above: `invalid-request`. */
  settingValueBytesMax: 64 * 1024,
  /** UTF-8 bytes of a record as JSON: addresses and labels, nothing more. Above: `invalid-request`. */
  recordBytesMax: 32 * 1024,
  /** Bytes of a request: a setting's value as JSON, where one byte may take six. Above: `invalid-request`. */
  requestBytesMax: 512 * 1024,
  /** Bytes of an answer: all members, or all settings. Above: the client gives up with `registry-unavailable`. */
  answerBytesMax: 128 * 1024 * 1024,
  /** Open watches of one server: one socket each. Above: `overloaded`, and the client tries again later. */
  watchesMax: 8192,
  /** Keys that etcd returns at once: a page of records stays within a few MiB. More are read page by page. */
  pageKeysMax: 256,
  /** Shortest lease, ms: keep-alives come three times as often. Below: `invalid-config`. */
  ttlMsMin: 1000,
  /** Longest lease, ms: a mesher that died would be listed that long. Above: `invalid-config`. */
  ttlMsMax: 600_000,
  /** Wait after a first failure, ms; doubles with each further one. */
  retryMs: 100,
  /** Longest wait, ms: a mesher without a registry is worth one small request every two seconds. */
  retryMsMax: 2000,
});

/** What a federation may be called: it is part of etcd keys and of URLs. */
export const federationPattern = '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$';
