/** Why a peer was turned away; the label of a metric, so the list is closed. */
export const REFUSAL_REASONS = [
  'bad-secret', // the proof is not that of somebody who knows the ring epoch's secret
  'wrong-run',
  'old-epoch', // a ring epoch that this worker has left, or never will join
  'wrong-rank', // not the neighbour that is expected, or it takes this worker for another
  'oversize', // announced more than it may send
  'malformed', // HTTP, WebSocket frame or message that is none of ours
  'deadline', // not done with its handshake in time, or takes nothing of the state that it came for
  'too-early', // its ring epoch has not begun here while it was held; it may come again
  'incomplete', // went away in the middle of its handshake
  'duplicate', // the slot is taken
  'too-many', // as many sockets as are bearable have yet to prove who they are
  'not-tls', // one of the two speaks TLS and the other does not
  'bad-certificate', // none, or not one of the cluster's authority, or not valid now
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** Counts by reason, from zero. */
export class Refusals {
  private readonly counted = new Map<RefusalReason, number>();

  /** @param onRefused told of each, with the peer's address */
  constructor(private readonly onRefused?: (reason: RefusalReason, peer: string) => void) {}

  count(reason: RefusalReason, peer: string): void {
    this.counted.set(reason, this.of(reason) + 1);
    this.onRefused?.(reason, peer);
  }

  of(reason: RefusalReason): number {
    return this.counted.get(reason) ?? 0;
  }
}

/** Close codes from 4000 on are an application's own; the reason itself is in the close message. */
export const REFUSED_CLOSE_CODE = 4_000;

export function refusalOf(code: number, closeMessage: string): RefusalReason | undefined {
  return code === REFUSED_CLOSE_CODE ? REFUSAL_REASONS.find((reason) => reason === closeMessage) : undefined;
}
