// The version that package.json states, for `--version` and the member record.

import manifest from '../../package.json' with { type: 'json' };

export const version: string = manifest.version;
