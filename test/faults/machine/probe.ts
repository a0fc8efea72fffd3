// Inside the enclosure: does a cut cut, does the wire do to packets what it is told, does a disk forget what was not
// synced? Prints one JSON line of findings for network.test.ts.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { enclosedFolder, furnish } from './enclosure.ts';
import { whyNoDisks, whyNoPowerLoss } from './disk.ts';
import { type Host, Network } from './network.ts';

const PORT = 5000;
const ECHO = `
  const server = require('node:net').createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  server.listen(${PORT}, () => console.log('listens'));
`;
/** Sends the bytes, waits for them to come back, and prints the ms that took; nothing if they do not within the time. */
const ASK = `
  const [address, count, patienceMs] = process.argv.slice(1);
  const sent = Buffer.from(Array.from({ length: Number(count) }, (_, i) => i % 251));
  setTimeout(() => process.exit(0), Number(patienceMs)).unref();
  const socket = require('node:net').connect(${PORT}, address);
  socket.on('error', () => undefined);
  const since = performance.now();
  const parts = [];
  socket.on('data', (part) => {
    parts.push(part);
    const all = Buffer.concat(parts);
    if (all.length < sent.length) return;
    console.log(all.equals(sent) ? performance.now() - since : -1);
    process.exit(0);
  });
  socket.write(sent);
  setInterval(() => undefined, 1000);
`;
/** Of what is expected to come: a minute on any machine. Of what is not: long enough for a few tries of TCP's. */
const PATIENCE = { comes: 60_000, doesNot: 3_000 } as const;
const LARGE = 500_000;

function on(host: Host, ...args: readonly string[]) {
  const [program = '', ...before] = host.wrapper;
  return spawn(program, [...before, process.execPath, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Ms until the bytes were back; 0: they did not come; -1: others came. */
async function ask(from: Host, to: Host, bytes: number, patienceMs: number): Promise<number> {
  return Number(await text(on(from, '-e', ASK, to.address, String(bytes), String(patienceMs)).stdout));
}

await furnish();
const network = await Network.start();
const [a, b, c] = [
  await network.addHost('a1', 1),
  await network.addHost('b1', 2),
  await network.addHost('c1', 3),
];
for (const host of [b, c]) await once(on(host, '-e', ECHO).stdout, 'data');

const direct = await ask(a, b, 1000, PATIENCE.comes);
const join = await network.cut([{ from: b, to: a }]);
const oneWay = await ask(a, b, 1000, PATIENCE.doesNot);
const others = await ask(a, c, 1000, PATIENCE.comes);
await join();
const joined = await ask(a, b, 1000, PATIENCE.comes);
const hurry = await network.trouble([a, b], { delayMs: 50 });
const late = await ask(a, b, 1000, PATIENCE.comes);
const lateLarge = await ask(a, b, LARGE, PATIENCE.comes);
await hurry();
const clear = await network.trouble([a], { loss: 0.1, jitterMs: 5, duplication: 0.3, seed: 7 });
const bad = await ask(a, c, LARGE, PATIENCE.comes);
await clear();
const { lost = 0, repeated = 0 } = await network.wireCounts();
const narrow = await network.trouble([a, b], { bytesPerSecond: 400_000 });
const slow = await ask(a, b, LARGE, PATIENCE.comes);
await narrow();
const purify = await network.trouble([a, b], { corruption: { share: 1, port: PORT } });
const changed = await ask(a, b, 1000, PATIENCE.comes);
await purify();
const spare = await network.trouble([a, b], { corruption: { share: 1, port: PORT + 1 } });
const spared = await ask(a, b, 1000, PATIENCE.comes);
await spare();
const mend = await network.trouble([a, b], { loss: 1 });
const allLost = await ask(a, b, 1000, PATIENCE.doesNot);
await mend();
const mended = await ask(a, b, LARGE, PATIENCE.comes);
const folder = enclosedFolder() ?? '';
const noDisks = await whyNoDisks(folder);
const noPowerLoss = noDisks ?? (await whyNoPowerLoss(folder));
const found = {
  direct,
  oneWay,
  others,
  joined,
  late,
  lateLarge,
  bad,
  lost,
  repeated,
  slow,
  changed,
  spared,
  allLost,
  mended,
  noPowerLoss,
};
process.stdout.write(`${JSON.stringify(found)}\n`, () => process.exit(0));
