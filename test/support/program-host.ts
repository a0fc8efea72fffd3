// Where a program of a test runs: on this machine's loopback, or on a host of its own.

export interface ProgramHost {
  readonly address: string;
  /** A command that runs what follows it there, and leaves it its process id. */
  readonly wrapper: readonly string[];
}

export const LOOPBACK: ProgramHost = { address: '127.0.0.1', wrapper: [] };
