// What must hold between settings, beyond each one's own type. Each broken relation is one sentence that says what to do.

import { accessSync, constants } from 'node:fs';
import { parseRegistryAddress } from '../../registry/address.ts';
import type { RegistryAddress } from '../../registry/address.ts';
import { MeshError } from '../core/errors.ts';
import { brokenRelations } from '../core/limits.ts';
import { isLoopback } from '../core/loopback.ts';
import type { Config } from './schema.ts';

export function brokenConfigRelations(config: Config): string[] {
  return [
    ...brokenRelations(config.limits).map((text) => `limits: ${text}`),
    ...brokenTiming(config.timing),
    ...brokenRegistry(config.registry),
    ...brokenHttp(config),
    ...brokenLink(config.link),
    ...brokenTracing(config.tracing),
  ];
}

/** What a crash forgets of others' interests must be asked for anew before its owner counts as dead. */
function brokenTiming({ rememberEveryMs, deadAfterMs }: Config['timing']): string[] {
  return rememberEveryMs < deadAfterMs ? [] : ['timing.rememberEveryMs must be below timing.deadAfterMs'];
}

function brokenRegistry(registry: Config['registry']): string[] {
  const broken: string[] = [];
  const address = readAddress(registry.address);
  if (typeof address === 'string') broken.push(`registry.address: ${address}`);
  if ((registry.user === undefined) !== (registry.passwordFile === undefined)) {
    broken.push('registry.user and registry.passwordFile must be given together');
  }
  if ((registry.certFile === undefined) !== (registry.keyFile === undefined)) {
    broken.push('registry.certFile and registry.keyFile must be given together');
  }
  const tls = registry.caFile ?? registry.certFile;
  if (tls !== undefined && typeof address !== 'string' && !address.secure) {
    broken.push(`registry.caFile and registry.certFile need an address with TLS: write ${address.kind}s://…`);
  }
  for (const key of ['passwordFile', 'caFile', 'certFile', 'keyFile'] as const) {
    const path = registry[key];
    if (path !== undefined && !isReadable(path))
      broken.push(`registry.${key}: the file ${path} cannot be read`);
  }
  return broken;
}

/** What is wrong with it, in words that repeat no password, where it cannot be read. */
function readAddress(address: string): RegistryAddress | string {
  try {
    return parseRegistryAddress(address);
  } catch (error) {
    if (error instanceof MeshError) return error.message;
    throw error;
  }
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false; // why does not matter: whoever opens it later says so
  }
}

function brokenHttp({ http, insecure }: Config): string[] {
  const { host, port } = splitHostPort(http.listen);
  const broken = port > 65_535 ? [`http.listen '${http.listen}': ports end at 65535`] : [];
  if (!insecure && !isLoopback(host)) {
    broken.push(
      `http.listen '${http.listen}' reaches beyond this machine and the HTTP API knows no authentication: ` +
        'listen on 127.0.0.1, or start with --insecure if the network around it is trusted',
    );
  }
  return broken;
}

function brokenLink(link: Config['link']): string[] {
  if (link.listen.length === 0)
    return ['link.listen must name at least one multiaddr, e.g. /ip4/127.0.0.1/tcp/7401'];
  return [...link.listen, ...link.advertise].flatMap((address) =>
    Number(address.slice(address.lastIndexOf('/') + 1)) > 65_535
      ? [`link: ${address}: ports end at 65535`]
      : [],
  );
}

function brokenTracing({ endpoint, headersFile }: Config['tracing']): string[] {
  if (headersFile === undefined) return [];
  if (endpoint === undefined) return ['tracing.headersFile needs tracing.endpoint'];
  return isReadable(headersFile) ? [] : [`tracing.headersFile: the file ${headersFile} cannot be read`];
}

/** `[::1]:7400` → `::1`, 7400. An empty host means every interface. */
export function splitHostPort(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) };
}

/** For logs and error texts. */
export function withoutPassword(address: string): string {
  return address.replace(/\/\/[^/]*@/, '//***@');
}
