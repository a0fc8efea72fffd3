// Reads the files that hold secrets and certificates. What they hold goes straight to the one who needs it: it is never
// part of the configuration, so that logging the configuration can give nothing away.

import { readFileSync } from 'node:fs';
import { MeshError } from '../core/errors.ts';

export interface SecretFiles {
  readonly user?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

export interface Secrets {
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Undefined where no file was named. */
  readonly tls: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer } | undefined;
}

/** Throws `invalid-config` that names the file. */
export function readSecrets({ user, passwordFile, caFile, certFile, keyFile }: SecretFiles): Secrets {
  const tls = {
    ...(caFile === undefined ? {} : { ca: read(caFile) }),
    ...(certFile === undefined ? {} : { cert: read(certFile) }),
    ...(keyFile === undefined ? {} : { key: read(keyFile) }),
  };
  // Editors end the last line, which is no part of the password.
  const password =
    passwordFile === undefined
      ? undefined
      : read(passwordFile)
          .toString('utf8')
          .replace(/\r?\n$/, '');
  return { user, password, tls: Object.keys(tls).length === 0 ? undefined : tls };
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw new MeshError('invalid-config', `the file ${path} cannot be read (${why}); name one that can`, {
      cause,
    });
  }
}
