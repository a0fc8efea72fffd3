// Who may connect. Inbound peers are judged once the handshake has proven their id, and before a stream can be opened.

import type { ConnectionGater, PeerId } from '@libp2p/interface';
import type { NodeId } from '../core/event.ts';

export interface GaterPorts {
  isAllowed(peer: NodeId): boolean;
  /** An inbound peer that is not allowed was turned away. */
  stranger(peer: NodeId): void;
}

export function connectionGater(ports: GaterPorts): ConnectionGater {
  const isDenied = (peer: PeerId): boolean => !ports.isAllowed(peer.toString());
  return {
    denyDialPeer: isDenied,
    denyOutboundConnection: isDenied,
    denyOutboundEncryptedConnection: isDenied,
    denyInboundEncryptedConnection: (peer) => {
      const denied = isDenied(peer);
      if (denied) ports.stranger(peer.toString());
      return denied;
    },
    // The members' records say where they are; what peers tell each other of addresses is not kept.
    filterMultiaddrForPeer: () => false,
  };
}
