// Loaded into a mesher before anything else (node --import): the wall clock of its process is off by as many ms as the file
// named by FAULTS_CLOCK says, read at the start and whenever SIGUSR2 comes. The monotonic clock stays right, as
// when a machine's time is set.

import { readFileSync } from 'node:fs';

const file = process.env['FAULTS_CLOCK'] ?? '';
const RealDate = Date;
let offsetMs = 0;

function readOffset(): void {
  offsetMs = Number(readFileSync(file, 'utf8'));
}

class OffsetDate extends RealDate {
  constructor(...given: readonly unknown[]) {
    if (given.length === 0) super(RealDate.now() + offsetMs);
    else super(...(given as [number]));
  }

  static override now(): number {
    return RealDate.now() + offsetMs;
  }
}

readOffset();
process.on('SIGUSR2', readOffset);
globalThis.Date = OffsetDate as DateConstructor;
