import { OperationalError } from '../errors.js';

/** Why a control message was dropped; the label of a metric, so the list is closed. */
export const REJECTION_REASONS = [
  'oversize', // more bytes than any message has
  'malformed', // no MessagePack, or of a kind, depth or number of values that no message has
  'schema', // MessagePack that does not fit its subject's schema
  'stale', // of a term or ring epoch that is over: fits, and is counted by whoever knows
] as const;
export type RejectionReason = (typeof REJECTION_REASONS)[number];

/** Control messages dropped by one process, by reason, from zero. */
export class Rejections {
  private readonly counted = new Map<RejectionReason, number>();

  count(reason: RejectionReason): void {
    this.counted.set(reason, this.of(reason) + 1);
  }

  of(reason: RejectionReason): number {
    return this.counted.get(reason) ?? 0;
  }
}

/** What a decoder throws, for whatever bytes: OperationalError('protocol') that knows its reason. */
export class RejectedMessage extends OperationalError {
  override readonly name = 'RejectedMessage';
  constructor(
    readonly reason: Exclude<RejectionReason, 'stale'>,
    message: string,
  ) {
    super('protocol', message);
  }
}
