// The streaming protocol as commands use it: by the client that users have, with the errors that the other commands have.

import { CausewayError, connect } from '../../sdk/typescript/client.ts';
import type { ConnectOptions, Mesh } from '../../sdk/typescript/client.ts';
import type { ErrorCode } from '../core/errors.ts';
import { ERRORS, MeshError } from '../core/errors.ts';
import { unreachable } from './api.ts';
import type { Api } from './api.ts';

/** Rejects with MeshError. */
export async function connectMesh({ url }: Api, options: ConnectOptions): Promise<Mesh> {
  return asMeshErrors(url, connect(url, options));
}

/** What the client rejects with, as the error of commands. */
export async function asMeshErrors<T>(url: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof CausewayError ? meshErrorOf(url, error) : error;
  }
}

export function meshErrorOf(url: string, error: CausewayError): MeshError {
  const { code, message, details } = error;
  const { reason } = details;
  // it was never reached, which all commands say in the same words
  if (code === 'mesher-unreachable' && reason !== undefined)
    return unreachable(url, Object.assign(new Error(message), { code: reason }));
  return new MeshError(isKnown(code) ? code : 'internal', message, { cause: error, details: { ...details } });
}

function isKnown(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}
