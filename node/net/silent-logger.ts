// libp2p logs through this: nowhere. What matters of it reaches the mesher as NetworkEvents; a component's scopes and
// formatted lines, made for each stream and frame, would cost more than they tell.

import type { ComponentLogger, Logger } from '@libp2p/interface';

const silent: Logger = Object.assign(() => undefined, {
  error: () => undefined,
  trace: () => undefined,
  enabled: false,
  newScope: () => silent,
});

export const silentLogger: ComponentLogger = { forComponent: () => silent };
