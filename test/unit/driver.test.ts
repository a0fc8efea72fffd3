import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { MeshError } from '../../node/core/errors.ts';
import type { MesherCore } from '../../node/core/mesher-core.ts';
import type { Effect, Input } from '../../node/core/steps.ts';
import { Driver, type DriverPorts } from '../../node/driver.ts';

test('goes on saying that the registry refuses it, and once that it is not reached', async () => {
  const time = { now: 0 };
  const answer: { error: MeshError | undefined } = { error: undefined };
  const told: string[] = [];
  const inputs: Input[] = [];
  const core = {
    replication: { replicas: 1 },
    step: (given: readonly Input[]): Effect[] => {
      inputs.push(...given);
      return given.some(({ kind }) => kind === 'tick') ? [{ kind: 'list-members' }] : [];
    },
  } as unknown as MesherCore;
  const log = (_fields: object, message: string) => void told.push(message.split(/[;,]/, 1)[0] ?? '');
  const driver = new Driver(core, {
    clock: { wall: () => time.now, monotonic: () => time.now },
    registry: {
      address: 'http://h:7420',
      members: () =>
        answer.error ? Promise.reject(answer.error) : Promise.resolve({ revision: 1, members: [] }),
    },
    log: { info: log, warn: log },
  } as unknown as DriverPorts);
  const listAt = async (now: number, error?: MeshError): Promise<string[]> => {
    time.now = now;
    answer.error = error;
    told.length = 0;
    driver.input({ kind: 'tick' });
    for (let turns = 0; turns < 3; turns++) await turn();
    return [...told];
  };
  const refused = new MeshError('registry-refused', 'wrong password');
  const silent = new MeshError('registry-unavailable', 'no answer');
  assert.deepEqual(await listAt(0, refused), ['registry refuses this mesher']);
  assert.deepEqual(await listAt(59_999, refused), []);
  assert.deepEqual(await listAt(60_000, refused), ['registry refuses this mesher']);
  assert.deepEqual(await listAt(61_000, silent), ['registry not reached']);
  assert.deepEqual(await listAt(999_000, silent), []);
  assert.deepEqual(await listAt(999_001), ['registry reached']);
  assert.deepEqual(await listAt(1_999_000), []);
  assert.deepEqual(
    inputs.flatMap((input) => (input.kind === 'registry' ? [input.state] : [])),
    ['down', 'down', 'down', 'down', 'down', 'up', 'up'],
    'the core hears of every answer',
  );
});

/** A driver whose core answers each step with the next of these effects. */
function scripted(...steps: Effect[][]): Driver {
  const core = { step: () => steps.shift() ?? [], commits: { idle: true } } as unknown as MesherCore;
  return new Driver(core, {
    clock: { wall: () => 0, monotonic: () => 0 },
    log: { info: () => undefined, warn: () => undefined },
  } as unknown as DriverPorts);
}

test('an observer that throws is left out, and said so; the mesher and the others go on', async () => {
  const told: string[] = [];
  const [failing, sound] = [{ steps: 0 }, { steps: 0 }];
  const core = { step: () => [], commits: { idle: true } } as unknown as MesherCore;
  const driver = new Driver(core, {
    clock: { wall: () => 0, monotonic: () => 0 },
    log: { error: (_fields: object, message: string) => void told.push(message) },
    observers: [
      {
        stepped: () => {
          failing.steps++;
          throw new Error('a bug of an observer');
        },
      },
      { stepped: () => void sound.steps++ },
    ],
  } as unknown as DriverPorts);
  for (let step = 0; step < 3; step++) {
    driver.input({ kind: 'tick' });
    await turn();
  }
  assert.deepEqual([failing.steps, sound.steps, told.length], [1, 3, 1]);
  assert.match(told[0] ?? '', /^an observer failed, and is left out/);
});

test('a session that throws ends the mesher, with the error, and all others are told', async () => {
  const bug = new Error('a bug of a bridge');
  const driver = scripted([
    { kind: 'deliver', session: 1, deliveries: [] },
    { kind: 'deliver', session: 2, deliveries: [] },
  ]);
  const told: string[] = [];
  const throws = (): never => {
    throw bug;
  };
  const tick = (): Input => ({ kind: 'tick' });
  driver.openSession({ deliver: throws, closed: throws }, tick);
  driver.openSession({ deliver: () => told.push('delivered'), closed: (reason) => told.push(reason) }, tick);
  const request = driver.request(tick);
  await assert.rejects(request, { code: 'internal', cause: bug });
  assert.equal(await driver.failed, bug);
  assert.deepEqual(told, ['shutting-down']);
  await assert.rejects(driver.request(tick), { code: 'shutting-down' });
  await driver.stop();
});

test('a session that throws when it is closed is told once, and ends the mesher', async () => {
  const bug = new Error('a bug of a bridge');
  const driver = scripted([{ kind: 'session-closed', session: 1, reason: 'deleted' }]);
  let told = 0;
  driver.openSession(
    {
      deliver: () => undefined,
      closed: () => {
        told++;
        throw bug;
      },
    },
    () => ({ kind: 'tick' }),
  );
  assert.equal(await driver.failed, bug);
  assert.equal(told, 1);
});

test('a core that throws ends the mesher', async () => {
  const bug = new Error('invariant broken');
  const core = {
    replication: { replicas: 1 },
    step: () => {
      throw bug;
    },
  } as unknown as MesherCore;
  const driver = new Driver(core, {
    clock: { wall: () => 0, monotonic: () => 0 },
  } as unknown as DriverPorts);
  await assert.rejects(
    driver.request(() => ({ kind: 'tick' })),
    { code: 'internal', cause: bug },
  );
  assert.equal(await driver.failed, bug);
});

test('damage that a read comes upon, or that nobody had asked for, ends the mesher at once', async () => {
  const damage = new MeshError('storage-failed', 'block 1: the checksum is wrong');
  const core = { step: () => [{ kind: 'load', queue: 1, blocks: [1] }] } as unknown as MesherCore;
  const ports = {
    clock: { wall: () => 0, monotonic: () => 0 },
    journal: { load: () => Promise.reject(damage) },
  } as unknown as DriverPorts;
  const reading = new Driver(core, ports);
  reading.input({ kind: 'tick' });
  assert.equal(await reading.failed, damage);
  const idle = new Driver(core, ports);
  idle.fail(damage);
  assert.equal(await idle.failed, damage);
  await assert.rejects(
    idle.request(() => ({ kind: 'tick' })),
    { code: 'shutting-down' },
  );
});

test('what a lost copy left unmoved is logged as an error, with the blocks', async () => {
  const told: unknown[] = [];
  const left = [{ from: 4, upTo: 10 }];
  const core = { step: () => [{ kind: 'takeover-cut-short', owner: 'lost', left }] } as unknown as MesherCore;
  const driver = new Driver(core, {
    clock: { wall: () => 0, monotonic: () => 0 },
    log: { error: (fields: object) => told.push(fields) },
  } as unknown as DriverPorts);
  driver.input({ kind: 'tick' });
  await turn();
  assert.deepEqual(told, [{ owner: 'lost', left }]);
});
