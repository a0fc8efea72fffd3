// What the simulation loses of gossip, and the formulas count with. An assumption: the real share is a matter of full buffers and
// of streams that are just being opened.

/** Share of gossiped deltas that is lost on the way to one mesher. */
export const LOSS = 0.001;
