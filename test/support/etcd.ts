// Real etcd for tests: one member or three, in temporary folders, on free ports of 127.0.0.1. Needs `etcd` and `etcdctl`
// on PATH (Debian: etcd-server, etcd-client), which the test script sees to. With `hosts` each member has an address of
// its own.
//
//   const etcd = await startEtcd({ members: 3, tls: true, auth: true });   // all default to one plain member
//   etcd.address          etcd://127.0.0.1:p1,127.0.0.1:p2,… (etcds:// with TLS)
//   etcd.options          { user, password, tls } for openRegistry and openStore
//   etcd.authority        with TLS: issues further certificates
//   await etcd.kill(0)    SIGKILL to one member, or to all: kill()
//   await etcd.restart(0) starts it again on its data and ports, or all that are down; waits until it serves
//   etcd.pause(0)         SIGSTOP, or all;  etcd.resume(0)  SIGCONT
//   await etcd.leader()   index of the leader;  await etcd.moveLeader()  gives the lead to another, returns its index
//   await etcd.wipe()     kills all, deletes their data and starts them empty
//   await etcd.ctl(...)   runs etcdctl with endpoints and credentials, returns its stdout
//   etcd.output(0)        what the member wrote so far
//   await etcd.stop()     kills all and removes the folders; call it in `after`

import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { slowness } from './calibrate.ts';
import { makeAuthority } from './etcd-certificates.ts';
import type { TestAuthority } from './etcd-certificates.ts';
import { freePort } from './free-port.ts';
import { LOOPBACK, type ProgramHost } from './program-host.ts';
import { PATIENCE_MS, until } from './until.ts';

export interface EtcdTestOptions {
  readonly members?: 1 | 3;
  /** Clients are served by TLS only, and must show a certificate of the authority. */
  readonly tls?: boolean;
  /** Authentication is on: root and a user `mesher` whose role may do anything under /causeway/. */
  readonly auth?: boolean;
  /** Further arguments for every member. */
  readonly args?: readonly string[];
  /** Where each member runs, not with `tls`: certificates are for 127.0.0.1, where all run if this is left out. */
  readonly hosts?: readonly ProgramHost[];
  /** Folder in which theirs is made; left out: the system's for what is temporary. */
  readonly parent?: string;
}

interface Member {
  readonly name: string;
  readonly dataDir: string;
  readonly host: ProgramHost;
  readonly clientPort: number;
  readonly peerPort: number;
  process: ChildProcess | undefined;
  output: string;
}

interface MemberStatus {
  readonly endpoint: string;
  readonly id: string;
  readonly isLeader: boolean;
}

export interface TestEtcd {
  readonly address: string;
  readonly endpoints: readonly string[];
  readonly options: {
    readonly user?: string;
    readonly password?: string;
    readonly tls?: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer };
  };
  readonly authority: TestAuthority | undefined;
  kill(member?: number): Promise<void>;
  restart(member?: number): Promise<void>;
  pause(member?: number): void;
  resume(member?: number): void;
  leader(): Promise<number>;
  moveLeader(): Promise<number>;
  wipe(): Promise<void>;
  ctl(...args: readonly string[]): Promise<string>;
  output(member: number): string;
  stop(): Promise<void>;
}

const run = promisify(execFile);
/** A member that is asked whether it is there may hang; what is ordered is waited for. */
const askTimeoutMs = 5000;
const rootPassword = 'root-secret';
const mesher = { user: 'mesher', password: 'pass:wörd, "quoted"' };

export async function startEtcd(options: EtcdTestOptions = {}): Promise<TestEtcd> {
  // Ports are free when they are looked for and may be taken when they are used: then all start on others.
  for (let attempt = 1; ; attempt += 1) {
    const etcd = await EtcdCluster.make(options);
    try {
      await etcd.start();
      return etcd;
    } catch (error) {
      const isTaken = etcd.outputs().includes('address already in use');
      await etcd.stop();
      if (!isTaken || attempt === 5) throw error;
    }
  }
}

class EtcdCluster implements TestEtcd {
  readonly address: string;
  readonly endpoints: readonly string[];
  readonly options: TestEtcd['options'];
  readonly authority: TestAuthority | undefined;
  readonly #wanted: EtcdTestOptions;
  readonly #folder: string;
  readonly #members: readonly Member[];
  /** Etcd's own choice is 100; on a slow machine a leader would be taken for lost. */
  readonly #heartbeatMs = Math.round(100 * slowness());
  #hasAuth = false;
  #stopped = false;
  /** Should the tests end without `stop`: no member outlives them. */
  readonly #killNow = () => {
    for (const { process: child } of this.#members) child?.kill('SIGKILL');
  };

  private constructor(wanted: EtcdTestOptions, folder: string, ports: readonly number[]) {
    this.#wanted = wanted;
    this.#folder = folder;
    this.authority = wanted.tls === true ? makeAuthority() : undefined;
    this.#members = ports.slice(0, ports.length / 2).map((clientPort, at) => ({
      name: `m${String(at)}`,
      dataDir: join(folder, `m${String(at)}`),
      host: wanted.hosts?.[at] ?? LOOPBACK,
      clientPort,
      peerPort: ports[ports.length / 2 + at] ?? 0,
      process: undefined,
      output: '',
    }));
    this.endpoints = this.#members.map(endpointOf);
    this.address = `${wanted.tls === true ? 'etcds' : 'etcd'}://${this.endpoints.join(',')}`;
    this.options = {
      ...(wanted.auth === true ? mesher : {}),
      ...(this.authority === undefined
        ? {}
        : { tls: { ca: this.authority.ca, ...this.authority.issue('mesher-client') } }),
    };
  }

  static async make(wanted: EtcdTestOptions): Promise<EtcdCluster> {
    const folder = await mkdtemp(join(wanted.parent ?? tmpdir(), 'causeway-etcd-'));
    return new EtcdCluster(wanted, folder, await freePorts(2 * (wanted.members ?? 1)));
  }

  async start(): Promise<void> {
    process.on('exit', this.#killNow);
    await this.#writeCertificates();
    for (const member of this.#members) this.#spawn(member);
    await this.#untilReady(this.#members);
    if (this.#wanted.auth === true) await this.#enableAuth();
  }

  async kill(member?: number): Promise<void> {
    await Promise.all(
      this.#chosen(member).map(async (each) => {
        const child = each.process;
        if (child === undefined) return;
        each.process = undefined;
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      }),
    );
  }

  async restart(member?: number): Promise<void> {
    const down = this.#chosen(member).filter((each) => each.process === undefined);
    for (const each of down) this.#spawn(each);
    await this.#untilReady(down);
  }

  pause(member?: number): void {
    for (const { process: child } of this.#chosen(member)) child?.kill('SIGSTOP');
  }

  resume(member?: number): void {
    for (const { process: child } of this.#chosen(member)) child?.kill('SIGCONT');
  }

  /** Waits for one, where one has to be elected. */
  async leader(): Promise<number> {
    const statuses = await this.#statusesWithLeader();
    return statuses.findIndex(({ isLeader }) => isLeader);
  }

  async moveLeader(): Promise<number> {
    const statuses = await this.#statusesWithLeader();
    const from = statuses.findIndex(({ isLeader }) => isLeader);
    const to = (from + 1) % statuses.length;
    const { endpoint } = statuses[from] ?? { endpoint: '' };
    await this.#etcdctl([endpoint], ['move-leader', statuses[to]?.id ?? '']);
    return to;
  }

  async wipe(): Promise<void> {
    await this.kill();
    await Promise.all(this.#members.map(({ dataDir }) => rm(dataDir, { recursive: true, force: true })));
    this.#hasAuth = false;
    for (const member of this.#members) this.#spawn(member);
    await this.#untilReady(this.#members);
    if (this.#wanted.auth === true) await this.#enableAuth();
  }

  ctl(...args: readonly string[]): Promise<string> {
    const alive = this.endpoints.filter((_, at) => this.#members[at]?.process !== undefined);
    return this.#etcdctl(alive, args);
  }

  output(member: number): string {
    return this.#members[member]?.output ?? '';
  }

  outputs(): string {
    return this.#members.map(({ output }) => output).join('\n');
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.kill();
    process.off('exit', this.#killNow);
    await rm(this.#folder, { recursive: true, force: true });
  }

  #chosen(member: number | undefined): readonly Member[] {
    return member === undefined ? this.#members : this.#members.slice(member, member + 1);
  }

  #spawn(member: Member): void {
    if (this.#stopped) throw new Error('this etcd was stopped');
    const scheme = this.authority === undefined ? 'http' : 'https';
    const peerUrl = ({ host, peerPort }: Member) => `http://${host.address}:${String(peerPort)}`;
    const clientUrl = `${scheme}://${endpointOf(member)}`;
    const file = (name: string) => join(this.#folder, name);
    const [program, ...before] = [...member.host.wrapper, 'etcd'];
    const child = spawn(
      program,
      [
        before,
        ['--name', member.name],
        ['--data-dir', member.dataDir],
        ['--listen-client-urls', clientUrl],
        ['--advertise-client-urls', clientUrl],
        ['--listen-peer-urls', peerUrl(member)],
        ['--initial-advertise-peer-urls', peerUrl(member)],
        ['--initial-cluster', this.#members.map((each) => `${each.name}=${peerUrl(each)}`).join(',')],
        ['--initial-cluster-state', 'new'],
        ['--heartbeat-interval', String(this.#heartbeatMs)],
        ['--election-timeout', String(10 * this.#heartbeatMs)],
        ...(this.authority === undefined
          ? []
          : [
              ['--cert-file', file('server.crt')],
              ['--key-file', file('server.key')],
              ['--trusted-ca-file', file('ca.crt')],
              ['--client-cert-auth'],
            ]),
        this.#wanted.args ?? [],
      ].flat(),
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        // The last 256 KiB tell what went wrong.
        member.output = (member.output + text).slice(-262_144);
      });
    }
    child.on('error', (error) => {
      member.output += `\n${error.message}`;
    });
    member.process = child;
  }

  async #untilReady(members: readonly Member[]): Promise<void> {
    const giveUp = performance.now() + PATIENCE_MS;
    for (const member of members) {
      const endpoint = endpointOf(member);
      for (;;) {
        const child = member.process;
        if (child?.exitCode !== null || child.pid === undefined) {
          throw new Error(`etcd ${member.name} ended:\n${member.output.slice(-2000)}`);
        }
        try {
          // Served only by a member that has a leader.
          await this.#etcdctl([endpoint], ['endpoint', 'health']);
          break;
        } catch (error) {
          if (performance.now() > giveUp) {
            throw new Error(`etcd ${member.name} is not ready:\n${member.output.slice(-2000)}`, {
              cause: error,
            });
          }
          await sleep(100);
        }
      }
    }
  }

  #statusesWithLeader(): Promise<readonly MemberStatus[]> {
    return until('etcd has a leader', async () => {
      const statuses = await this.#statuses();
      return statuses.some(({ isLeader }) => isLeader) && statuses;
    });
  }

  async #statuses(): Promise<readonly MemberStatus[]> {
    const parsed = await Promise.all(
      this.endpoints.map(async (endpoint) => {
        try {
          // As text: "endpoint, id in hex, version, size, is leader, …".
          const fields = (await this.#etcdctl([endpoint], ['endpoint', 'status']))
            .split(',')
            .map((field) => field.trim());
          return { endpoint, id: fields[1] ?? '', isLeader: fields[4] === 'true' };
        } catch {
          // A member that is down does not lead.
          return { endpoint, id: '', isLeader: false };
        }
      }),
    );
    return parsed;
  }

  async #enableAuth(): Promise<void> {
    await this.ctl('user', 'add', `root:${rootPassword}`);
    await this.ctl('user', 'grant-role', 'root', 'root');
    await this.ctl('role', 'add', 'causeway');
    await this.ctl('role', 'grant-permission', 'causeway', '--prefix=true', 'readwrite', '/causeway/');
    await this.ctl('user', 'add', mesher.user, '--new-user-password', mesher.password);
    await this.ctl('user', 'grant-role', mesher.user, 'causeway');
    await this.ctl('auth', 'enable');
    this.#hasAuth = true;
  }

  async #etcdctl(endpoints: readonly string[], args: readonly string[]): Promise<string> {
    const scheme = this.authority === undefined ? 'http' : 'https';
    const timeoutMs = args[0] === 'endpoint' ? askTimeoutMs : PATIENCE_MS;
    const flags = [
      `--endpoints=${endpoints.map((endpoint) => `${scheme}://${endpoint}`).join(',')}`,
      `--command-timeout=${String(timeoutMs)}ms`,
      `--dial-timeout=${String(timeoutMs)}ms`,
      ...(this.#hasAuth ? [`--user=root:${rootPassword}`] : []),
      ...(this.authority === undefined
        ? []
        : [
            `--cacert=${join(this.#folder, 'ca.crt')}`,
            `--cert=${join(this.#folder, 'root.crt')}`,
            `--key=${join(this.#folder, 'root.key')}`,
          ]),
    ];
    const { stdout } = await run('etcdctl', [...args, ...flags], {
      env: { PATH: process.env['PATH'] ?? '', ETCDCTL_API: '3' },
      timeout: 3 * timeoutMs,
    });
    return stdout;
  }

  async #writeCertificates(): Promise<void> {
    if (this.authority === undefined) return;
    const [server, root] = [this.authority.issue('etcd-server'), this.authority.issue('root')];
    await Promise.all(
      Object.entries({
        'ca.crt': this.authority.ca,
        'server.crt': server.cert,
        'server.key': server.key,
        'root.crt': root.cert,
        'root.key': root.key,
      }).map(([name, bytes]) => writeFile(join(this.#folder, name), bytes, { mode: 0o600 })),
    );
  }
}

function endpointOf({ host, clientPort }: Member): string {
  return `${host.address}:${String(clientPort)}`;
}

async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}
