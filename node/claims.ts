// Claims on what lost meshers left: one setting of the registry for each cluster, which says of each lost mesher who takes which
// blocks, the first first. A setting is written only where it is still what was read, so no block is claimed twice, and of two meshers
// that each take the other for dead only one becomes the heir: who was taken over itself may claim nothing any more.

import { MeshError } from './core/errors.ts';
import type { NodeId } from './core/event.ts';
import type { Claim, Registry } from './core/ports.ts';

/** By lost mesher, in the order of the first claims. */
export type Claims = Readonly<Record<NodeId, readonly Claim[]>>;

/** Others that claim at the same time are as many as there are copies. */
const TRIES_MAX = 10;
/** Lost meshers of a cluster that are remembered; older ones have been away for so long that nobody knows their name. */
const OWNERS_MAX = 200;

/** Who has claimed what of this mesher; empty: nobody anything. Rejects with `registry-unavailable`. */
export async function claimsOn(
  registry: Registry,
  cluster: string,
  owner: NodeId,
): Promise<readonly Claim[]> {
  const setting = await registry.getSetting(keyOf(cluster));
  return (setting && parse(cluster, setting.value)[owner]) ?? [];
}

/** Why a mesher with claims on it ends. */
export function takenOver(owner: NodeId, claims: readonly Claim[]): MeshError {
  const [heir] = claims;
  return new MeshError(
    'taken-over',
    `mesher ${heir?.taker} has taken ${owner} over, which was away for too long; start it again: it joins under a new name, and hands over what it still has`,
    { details: { owner, claims } },
  );
}

/**
 * Claims what is left of the blocks that are wanted; resolves with all claims on the owner then. Rejects with `taken-over` where the
 * claimant was taken over itself, and with `registry-unavailable`.
 */
export async function claim(
  registry: Registry,
  cluster: string,
  owner: NodeId,
  wanted: Claim,
): Promise<readonly Claim[]> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const setting = await registry.getSetting(keyOf(cluster));
    const claims = setting ? parse(cluster, setting.value) : {};
    const next = withClaim(claims, owner, wanted);
    if (next === 'taken-over') throw takenOver(wanted.taker, claims[wanted.taker] ?? []);
    const all = next[owner] ?? [];
    if (next === claims) return all;
    const written = await registry.putSetting(keyOf(cluster), JSON.stringify(next), setting?.revision ?? 0);
    if (written) return all;
  }
  throw new MeshError(
    'registry-unavailable',
    `the claims of cluster ${cluster} change all the time; tried ${TRIES_MAX} times`,
  );
}

/** The same object where there is nothing left to claim; the first claim is made all the same, for it makes the heir. */
export function withClaim(claims: Claims, owner: NodeId, wanted: Claim): Claims | 'taken-over' {
  const { taker, from, upTo } = wanted;
  if (claims[taker]) return 'taken-over';
  const known = claims[owner] ?? [];
  let left = [{ from, upTo }];
  for (const taken of known) {
    left = left.flatMap((part) => [
      { from: part.from, upTo: Math.min(part.upTo, taken.from) },
      { from: Math.max(part.from, taken.upTo), upTo: part.upTo },
    ]);
    left = left.filter((part) => part.from < part.upTo);
  }
  if (known.length > 0 && left.length === 0) return claims;
  const added = left.length === 0 ? [wanted] : left.map((part) => ({ taker, ...part }));
  const owners = Object.entries(claims).filter(([node]) => node !== owner);
  return Object.fromEntries([...owners.slice(1 - OWNERS_MAX), [owner, [...known, ...added]]]);
}

function keyOf(cluster: string): string {
  return `takeover/${cluster}`;
}

function parse(cluster: string, value: string): Claims {
  const claims: unknown = JSON.parse(value);
  if (isClaims(claims)) return claims;
  throw new MeshError(
    'registry-unavailable',
    `the registry's setting ${keyOf(cluster)} holds no claims; nothing is taken over until it is mended or deleted`,
  );
}

function isClaims(value: unknown): value is Claims {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((claims) => Array.isArray(claims) && claims.every(isClaim));
}

function isClaim(value: unknown): value is Claim {
  if (typeof value !== 'object' || value === null) return false;
  const { taker, from, upTo } = value as Record<string, unknown>;
  return typeof taker === 'string' && Number.isSafeInteger(from) && Number.isSafeInteger(upTo);
}
