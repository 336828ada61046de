/**
 * What the ring needs of a connection between two neighbours. Data flows one way over a link, so each end is of its own
 * kind. A link keeps order, loses nothing and, once it has failed, stays failed: rings are rebuilt, never patched.
 */

/** One message of a link: a header of fixed size and its payload, at any alignment. */
export interface LinkSegment {
  readonly header: Uint8Array;
  readonly payload: Uint8Array;
}

/** Why a link ended. */
export interface LinkEnd {
  /** 'lost': the peer closed it, died or vanished. Else the peer sent what does not belong here, or too much. */
  readonly cause: 'lost' | 'malformed' | 'oversize';
  readonly detail: string;
}

/** Callbacks of an end of a link; whoever listens last is told. */
export interface LinkListener {
  /** A segment can be taken. Incoming ends only. */
  readonly onSegment?: () => void;
  /** Once, and not for what this side did itself. Told soon after listening if the link has ended already. */
  readonly onEnd: (end: LinkEnd) => void;
}

interface LinkLife {
  listen(listener: LinkListener): void;
  /** Says goodbye to the peer and frees the connection. */
  close(): void;
  /** Frees the connection at once; what was sent and not yet taken is dropped. */
  destroy(): void;
}

/** The end at the predecessor. */
export interface OutgoingLink extends LinkLife {
  /**
   * Sends one segment without copying it.
   * @param onTaken called when the memory of both is no longer read. Nothing else limits what is underway: a sender
   * that is to stay bounded counts what was not taken yet. Never called once the link has ended.
   */
  send(header: Uint8Array, payload: Uint8Array, onTaken: () => void): void;
}

/** The end at the successor. */
export interface IncomingLink extends LinkLife {
  /**
   * The oldest segment not taken yet. Segments that nobody takes are kept up to a bound, then the link stops reading,
   * and the sender feels it.
   */
  take(): LinkSegment | undefined;
}
