// Claims on what lost meshers left: one setting of the registry for each cluster, which says of each lost mesher who takes which
// blocks, the first first. A setting is written only where it is still what was read, so no block is claimed twice, and of two meshers
// that each take the other for dead only one becomes the heir: who was taken over itself may claim nothing any more.
//
// A claim ends in one of two ways. Its taker has moved the blocks: it is done, and other holders of the copy may forget them.
// Or its taker is gone, or has lost the copy: its heir, or itself, says how far it came, and what is left is free again.

import { MeshError } from './core/errors.ts';
import type { NodeId } from './core/event.ts';
import type { BlockRange, Claim, Claims, ClaimsEnd, Registry } from './core/ports.ts';

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
  taker: NodeId,
  wanted: readonly BlockRange[],
): Promise<readonly Claim[]> {
  const claims = await change(registry, cluster, (known) => {
    const next = withClaim(known, owner, taker, wanted);
    if (next === 'taken-over') throw takenOver(taker, known[taker] ?? []);
    return next;
  });
  return claims[owner] ?? [];
}

/** Ends claims, all in one write. Rejects with `registry-unavailable`. */
export async function endClaims(
  registry: Registry,
  cluster: string,
  ends: readonly ClaimsEnd[],
): Promise<void> {
  await change(registry, cluster, (known) => ends.reduce(withEnd, known));
}

/** `next` gives back the object that it got where there is nothing to write. */
async function change(
  registry: Registry,
  cluster: string,
  next: (claims: Claims) => Claims,
): Promise<Claims> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const setting = await registry.getSetting(keyOf(cluster));
    const before = setting ? parse(cluster, setting.value) : {};
    const after = next(before);
    if (after === before) return after;
    if (await registry.putSetting(keyOf(cluster), JSON.stringify(after), setting?.revision ?? 0))
      return after;
  }
  throw new MeshError(
    'registry-unavailable',
    `the claims of cluster ${cluster} change all the time; tried ${TRIES_MAX} times`,
  );
}

/** The same object where there is nothing left to claim; the first claim is made all the same, for it makes the heir. */
export function withClaim(
  claims: Claims,
  owner: NodeId,
  taker: NodeId,
  wanted: readonly BlockRange[],
): Claims | 'taken-over' {
  if (claims[taker]) return 'taken-over';
  const known = claims[owner] ?? [];
  let left = wanted;
  for (const taken of known) {
    left = left.flatMap((part) => [
      { from: part.from, upTo: Math.min(part.upTo, taken.from) },
      { from: Math.max(part.from, taken.upTo), upTo: part.upTo },
    ]);
    left = left.filter((part) => part.from < part.upTo);
  }
  if (known.length > 0 && left.length === 0) return claims;
  const parts = left.length === 0 ? wanted : left;
  const added = parts.map((part) => ({ taker, ...part, isDone: false }));
  const owners = Object.entries(claims).filter(([node]) => node !== owner);
  let excess = owners.length + 1 - OWNERS_MAX;
  const kept = owners.filter(([, each]) => !each.every(({ isDone }) => isDone) || excess-- <= 0);
  return Object.fromEntries([...kept, [owner, [...known, ...added]]]);
}

/** The same object where nothing ends. An owner with no claim left on it was never taken over. */
export function withEnd(claims: Claims, end: ClaimsEnd): Claims {
  const next: Record<NodeId, readonly Claim[]> = {};
  for (const [owner, known] of Object.entries(claims)) {
    const left = known.flatMap((one) => ended(owner, one, end));
    if (left.length > 0) next[owner] = left;
  }
  const isSame = Object.entries(claims).every(
    ([owner, known]) =>
      next[owner]?.length === known.length && known.every((one, i) => one === next[owner]?.[i]),
  );
  return isSame ? claims : next;
}

/** What is left of one claim: the same object where it goes on. */
function ended(owner: NodeId, one: Claim, { taker, moved, keep }: ClaimsEnd): Claim[] {
  if (one.taker !== taker || one.isDone) return [one];
  const takeover = moved.find((each) => each.owner === owner && each.claims.some(isRange(one)));
  if (takeover) {
    // even where nothing of it has moved: who was the heir stays so
    const upTo = Math.min(one.upTo, Math.max(one.from, takeover.upTo));
    return [{ ...one, upTo, isDone: true }];
  }
  return keep === 'rest' || keep.includes(owner) ? [one] : [];
}

function isRange({ from, upTo }: BlockRange): (other: BlockRange) => boolean {
  return (other) => other.from === from && other.upTo === upTo;
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
  const { taker, from, upTo, isDone } = value as Record<string, unknown>;
  const isNumbered = Number.isSafeInteger(from) && Number.isSafeInteger(upTo);
  return typeof taker === 'string' && isNumbered && typeof isDone === 'boolean';
}
