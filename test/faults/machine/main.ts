// Runs probe.ts inside the enclosure: a process of its own, since that is what is enclosed.

import { join } from 'node:path';
import { enclose } from './enclosure.ts';

process.exit(await enclose(join(import.meta.dirname, 'probe.ts'), []));
