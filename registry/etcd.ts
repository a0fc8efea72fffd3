// The registry in etcd. Keys, all under /causeway/<federation>/:
//   members/<node>   a member record as JSON, under that node's lease
//   settings/<key>   a setting's value as it is
//   revision         written by nextRevision; the number is the revision of that write
//   last-write       who made the last compare-and-set write: lets a client whose answer was lost find out that it won
// All reads are linearizable. Nothing here is a lock: writes are fenced by the key's mod revision.

import { randomUUID } from 'node:crypto';
import { MeshError } from '../node/core/errors.ts';
import type { MemberList, MemberRecord, Setting } from '../node/core/ports.ts';
import { EtcdClient, isLeaseGone, streamError } from './etcd-client.ts';
import type { CallLimit, Etcd3, EtcdOptions } from './etcd-client.ts';
import { REGISTRY_LIMITS } from './limits.ts';
import { encodeMember, parseMember } from './record.ts';
import type { Scheduler } from './scheduler.ts';
import type { Log, Overwrite, RegistryStore } from './store.ts';
import { keepWatching } from './watching.ts';

type RangeRequest = Parameters<Etcd3['kv']['range']>[0];
type RangeResponse = Awaited<ReturnType<Etcd3['kv']['range']>>;
type Found = RangeResponse['kvs'][number];
type RequestOp = NonNullable<Parameters<Etcd3['kv']['txn']>[0]['success']>[number];

export interface EtcdStorePorts {
  readonly scheduler: Scheduler;
  readonly random: () => number;
  readonly log: Log;
}

export class EtcdStore implements RegistryStore {
  readonly #client: EtcdClient;
  readonly #ports: EtcdStorePorts;
  readonly #watches = new Set<Promise<void>>();

  constructor(options: EtcdOptions, ports: EtcdStorePorts) {
    this.#client = new EtcdClient(options, ports.scheduler);
    this.#ports = ports;
  }

  async nextRevision(federation: string): Promise<number> {
    const key = keyOf(federation, 'revision');
    const { header } = await this.#client.call(({ kv }, limit) =>
      kv.put({ key, value: Buffer.alloc(0) }, limit),
    );
    return Number(header.revision);
  }

  async putMember(record: MemberRecord, ttlMs: number, overwrite: Overwrite): Promise<string | undefined> {
    const key = keyOf(record.federation, 'members/', encodeURIComponent(record.node));
    const value = Buffer.from(encodeMember(record));
    const seen = overwrite === 'any' ? undefined : await this.#seenMember(key);
    if (seen?.incarnation !== undefined && seen.incarnation > record.incarnation) return undefined;

    const ttl = Math.ceil(ttlMs / 1000);
    const { ID: lease } = await this.#client.call(({ leaseClient }, limit) =>
      leaseClient.leaseGrant({ TTL: ttl, ID: 0 }, limit),
    );
    try {
      const put = { request_put: { key, value, lease } };
      const compare = seen === undefined ? [] : [modRevisionIs(key, seen.revision)];
      const { succeeded } = await this.#client.call(({ kv }, limit) =>
        kv.txn({ compare, success: [put] }, limit),
      );
      if (succeeded) return lease;
    } catch (error) {
      // The put may have happened, or may yet happen. Without its lease it can do neither; if this fails as well, the
      // lease ends by itself.
      this.#revoke(lease).catch(() => undefined);
      throw isLeaseGone(error) ? leaseEndedEarly(error) : error;
    }
    await this.#revoke(lease);
    throw new MeshError('registry-unavailable', 'The record changed in etcd while it was being put again.');
  }

  async keepAlive(federation: string, node: string, lease: string): Promise<boolean> {
    try {
      const ttl = await this.#client.call((client, limit) => renewOnce(client, lease, limit));
      if (ttl <= 0) return false;
    } catch (error) {
      if (isLeaseGone(error)) return false;
      throw error;
    }
    const found = await this.#get(keyOf(federation, 'members/', encodeURIComponent(node)));
    return found?.lease === lease;
  }

  async removeMember(federation: string, node: string, lease: string | undefined): Promise<void> {
    // Ending the lease takes the key with it, and leaves alone a key that is under another lease by now.
    if (lease !== undefined) return this.#revoke(lease);
    const key = keyOf(federation, 'members/', encodeURIComponent(node));
    await this.#client.call(({ kv }, limit) => kv.deleteRange({ key }, limit));
  }

  async members(federation: string): Promise<MemberList> {
    const { revision, found } = await this.#list(federation, 'members/', '');
    const members: MemberRecord[] = [];
    for (const { key, value } of found) {
      const record = parseMember(value.toString());
      if (record?.federation === federation) members.push(record);
      else
        this.#ports.log({
          level: 'warn',
          message: 'etcd holds a member that is no record; it is left out.',
          details: { key: key.toString() },
        });
    }
    return { revision, members };
  }

  watchMembers(federation: string, changed: () => void, signal: AbortSignal): void {
    const until = AbortSignal.any([signal, this.#client.closed]);
    const watchOnce = (hint: () => void) => this.#watchOnce(federation, until, hint);
    const watch = keepWatching(watchOnce, changed, until, this.#ports).finally(() =>
      this.#watches.delete(watch),
    );
    this.#watches.add(watch);
  }

  async getSetting(federation: string, key: string): Promise<Setting | undefined> {
    const found = await this.#get(keyOf(federation, 'settings/', key));
    return found === undefined
      ? undefined
      : { key, value: found.value.toString(), revision: Number(found.mod_revision) };
  }

  async listSettings(federation: string, prefix: string): Promise<Setting[]> {
    const { found } = await this.#list(federation, 'settings/', prefix);
    const skip = keyOf(federation, 'settings/').length;
    return found.map(({ key, value, mod_revision }) => ({
      key: key.subarray(skip).toString(),
      value: value.toString(),
      revision: Number(mod_revision),
    }));
  }

  async putSetting(
    federation: string,
    key: string,
    value: string,
    expected: number,
  ): Promise<Setting | undefined> {
    const at = keyOf(federation, 'settings/', key);
    const put = { request_put: { key: at, value: Buffer.from(value) } };
    const revision = await this.#writeIf(federation, at, expected, put);
    return revision === undefined ? undefined : { key, value, revision };
  }

  async deleteSetting(federation: string, key: string, expected: number): Promise<boolean> {
    // Revision 0 is that of no key, which cannot be deleted.
    if (expected === 0) return false;
    const at = keyOf(federation, 'settings/', key);
    const revision = await this.#writeIf(federation, at, expected, { request_delete_range: { key: at } });
    return revision !== undefined;
  }

  async close(): Promise<void> {
    this.#client.close();
    await Promise.all(this.#watches);
  }

  /** Writes if the key is still at that revision; returns the write's revision, or undefined if it was not. */
  async #writeIf(
    federation: string,
    key: Buffer,
    expected: number,
    write: RequestOp,
  ): Promise<number | undefined> {
    const marker = keyOf(federation, 'last-write');
    const value = Buffer.from(randomUUID());
    let attempts = 0;
    const { succeeded, header, responses } = await this.#client.call(({ kv }, limit) => {
      attempts += 1;
      return kv.txn(
        {
          compare: [modRevisionIs(key, expected)],
          success: [write, { request_put: { key: marker, value } }],
          failure: [{ request_range: { key: marker } }],
        },
        limit,
      );
    });
    if (succeeded) return Number(header.revision);
    if (attempts === 1) return undefined;
    const last = responses[0]?.response_range.kvs[0];
    if (last?.value.equals(value) === true) return Number(last.mod_revision);
    throw new MeshError(
      'registry-unavailable',
      'etcd failed during a write, and it is not known whether that happened. Read and try again.',
    );
  }

  async #revoke(lease: string): Promise<void> {
    try {
      await this.#client.call(({ leaseClient }, limit) => leaseClient.leaseRevoke({ ID: lease }, limit));
    } catch (error) {
      // Gone already, and its key with it.
      if (!isLeaseGone(error)) throw error;
    }
  }

  async #seenMember(key: Buffer): Promise<{ revision: number; incarnation: number | undefined }> {
    const found = await this.#get(key);
    if (found === undefined) return { revision: 0, incarnation: undefined };
    return {
      revision: Number(found.mod_revision),
      incarnation: parseMember(found.value.toString())?.incarnation,
    };
  }

  async #get(key: Buffer): Promise<Found | undefined> {
    const { kvs } = await this.#client.call(({ kv }, limit) => kv.range({ key }, limit));
    return kvs[0];
  }

  /** All keys under a prefix at one revision, page by page. */
  async #list(
    federation: string,
    part: string,
    prefix: string,
  ): Promise<{ revision: number; found: Found[] }> {
    const range_end = endOf(keyOf(federation, part, prefix));
    const found: Found[] = [];
    let key = keyOf(federation, part, prefix);
    let revision: string | undefined;
    for (;;) {
      const request: RangeRequest = { key, range_end, limit: REGISTRY_LIMITS.pageKeysMax };
      if (revision !== undefined) request.revision = revision;
      const page = await this.#client.call(({ kv }, limit) => kv.range(request, limit));
      revision ??= page.header.revision;
      found.push(...page.kvs);
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) return { revision: Number(revision), found };
      key = Buffer.concat([last.key, Buffer.from([0])]);
    }
  }

  /** Returns or throws when the watch ends. `hint` is called when it stands, and at every change. */
  async #watchOnce(federation: string, until: AbortSignal, hint: () => void): Promise<void> {
    const key = keyOf(federation, 'members/');
    // A call first: it finds an endpoint that lives and asks for a token if the last one ended, which a stream cannot.
    const opened = await this.#client.call(async (client, limit) => {
      const { header } = await client.kv.range({ key, range_end: endOf(key), count_only: true }, limit);
      return { stream: await client.watchClient.watch(), from: Number(header.revision) + 1 };
    });
    const { stream, from } = opened;
    const stop = () => {
      stream.end();
      stream.cancel();
    };
    if (until.aborted) {
      stream.on('error', () => undefined);
      stop();
      return;
    }
    until.addEventListener('abort', stop);
    try {
      await new Promise<void>((resolve, reject) => {
        stream.on('error', (error) => {
          reject(streamError(error));
        });
        stream.on('end', resolve);
        stream.on('data', (response) => {
          if (response.canceled) resolve();
          else hint();
        });
        stream.write({ create_request: { key, range_end: endOf(key), start_revision: from } });
      });
    } finally {
      until.removeEventListener('abort', stop);
      stop();
    }
  }
}

/** One keep-alive on a stream of its own: a stream that hangs costs one deadline and is never used again. Seconds left. */
async function renewOnce({ leaseClient }: Etcd3, lease: string, limit: CallLimit): Promise<number> {
  const stream = await leaseClient.leaseKeepAlive(limit);
  try {
    return await new Promise<number>((resolve, reject) => {
      stream.on('error', (error) => {
        reject(streamError(error));
      });
      stream.on('end', () => {
        reject(new Error('etcd ended the keep-alive stream'));
      });
      stream.on('data', ({ TTL }) => {
        resolve(Number(TTL));
      });
      stream.write({ ID: lease });
    });
  } finally {
    stream.end();
  }
}

function keyOf(federation: string, part: string, name = ''): Buffer {
  return Buffer.from(`/causeway/${federation}/${part}${name}`);
}

/** The end of the range of all keys that start with these bytes, which never are all 0xff. */
function endOf(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  const last = end.length - 1;
  end.writeUInt8(end.readUInt8(last) + 1, last);
  return end;
}

function modRevisionIs(key: Buffer, revision: number) {
  return { key, target: 'Mod', result: 'Equal', mod_revision: revision } as const;
}

function leaseEndedEarly(cause: unknown): MeshError {
  return new MeshError('registry-unavailable', 'The lease ended before the record was put.', { cause });
}
