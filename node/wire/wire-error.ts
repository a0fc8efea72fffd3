// The one error of this folder: bytes that are not what they should be. Whoever read them decides what that means
// (link: the peer is refused; a client's event: 400; journal: corruption).

/** Slugs, fit for a counter's label. */
export type WireReason =
  | 'cut-short'
  | 'trailing-bytes'
  | 'unknown-kind'
  | 'bad-number'
  | 'bad-text'
  | 'bad-value'
  | 'bad-record'
  | 'too-many'
  | 'too-long'
  | 'frame-too-large'
  | 'unsupported-spec-version'
  | 'unsupported-proto-data';

export class WireError extends Error {
  override readonly name = 'WireError';
  readonly reason: WireReason;

  constructor(reason: WireReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
  }
}
