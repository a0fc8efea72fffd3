// What an end of a measured link counts, and the pings it times: the same for the subject and for the reference.

import { setTimeout as wait } from 'node:timers/promises';
import { Latencies, type LatencyFigures, monotonicUs } from '../harness/latencies.ts';
import { type Progress, RECEIVED_TIMEOUT_MS } from './end.ts';

const LOOK_EVERY_MS = 5;

export class Counting {
  bytes = 0;
  readonly #bytesPerEvent: number;
  #pings = new Latencies();

  constructor(bytesPerEvent: number) {
    this.#bytesPerEvent = bytesPerEvent;
  }

  progress(): Progress {
    const { user, system } = process.cpuUsage();
    return {
      events: Math.floor(this.bytes / this.#bytesPerEvent),
      bytes: this.bytes,
      atUs: monotonicUs(),
      cpuUs: user + system,
    };
  }

  async received(bytes: number): Promise<void> {
    const until = monotonicUs() + RECEIVED_TIMEOUT_MS * 1000;
    while (this.bytes < bytes) {
      if (monotonicUs() > until) throw new Error(`${this.bytes} of ${bytes} bytes were received`);
      await wait(LOOK_EVERY_MS);
    }
    if (this.bytes > bytes) throw new Error(`${this.bytes} bytes were received, ${bytes} were sent`);
  }

  ponged(sentAtMs: number): void {
    this.#pings.add((performance.now() - sentAtMs) * 1000);
  }

  pings(): LatencyFigures {
    const figures = this.#pings.figures();
    this.#pings = new Latencies();
    return figures;
  }
}
