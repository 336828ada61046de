/**
 * What the ring needs of a connection between two neighbours. Data flows one way over a link, so each end is of its own
 * kind. A link keeps order, loses nothing and, once it has failed, stays failed: rings are rebuilt, never patched.
 */

/** Why a link ended. */
export interface LinkEnd {
  /** 'lost': the peer closed it, died or vanished. Else the peer sent what does not belong here, or too much. */
  readonly cause: 'lost' | 'malformed' | 'oversize';
  readonly detail: string;
}

interface LinkLife {
  /** Says goodbye to the peer and frees the connection. */
  close(): void;
  /** Frees the connection at once; what was sent and not yet taken is dropped. */
  destroy(): void;
}

export interface LinkListener {
  /** Once, and not for what this side did itself. Told soon after listening if the link has ended already. */
  readonly onEnd: (end: LinkEnd) => void;
}

/** The end at the predecessor. */
export interface OutgoingLink extends LinkLife {
  /** Whoever listens last is told. */
  listen(listener: LinkListener): void;
  /**
   * Sends one segment without copying it.
   * @param onTaken called when the memory of both is no longer read. Nothing else limits what is underway: a sender
   * that is to stay bounded counts what was not taken yet. Never called once the link has ended.
   */
  send(header: Uint8Array, payload: Uint8Array, onTaken: () => void): void;
}

/** Where a segment's payload goes: it has exactly the bytes of `into`. */
export interface SegmentTarget {
  readonly kind: 'add' | 'copy';
  readonly into: Int32Array;
}

/** Takes segments as they arrive. */
export interface SegmentReader extends LinkListener {
  /**
   * A segment with this header has begun to arrive. Undefined: it is not wanted now; the link stops reading, the sender
   * feels it, and the question is asked again after `resume`.
   */
  readonly onSegment: (header: Uint8Array) => SegmentTarget | undefined;
  /** The payload is where it belongs. */
  readonly onFilled: () => void;
}

/**
 * The end at the successor. While it has stopped reading it does not notice that the peer is gone; a peer that dies has
 * another link, which is never stopped: the one to its own predecessor, who tells.
 */
export interface IncomingLink extends LinkLife {
  /** Whoever reads last is told. Without `onSegment` nothing is wanted. */
  listen(reader: SegmentReader | LinkListener): void;
  /** A segment that was not wanted may be wanted now. */
  resume(): void;
}
