import { OperationalError } from '../../proto/index.js';
import type { Hello, Purpose } from './handshake.js';
import type { RefusalReason } from './refusals.js';

/** Whom this worker lets in, in one ring epoch, for one purpose. */
export interface Admission {
  readonly purpose: Purpose;
  readonly runId: string;
  readonly ringEpoch: number;
  /** Of the ring epoch: 64 hex digits. */
  readonly secret: string;
  /** This worker's rank. */
  readonly toRank: number;
  /** Ranks that may come; one socket each. */
  readonly fromRanks: readonly number[];
}

export type Verdict =
  | { readonly kind: 'challenge'; readonly admission: Admission }
  /** Of a ring epoch that this worker has not been told of yet: to be judged again when it has. */
  | { readonly kind: 'hold' }
  | { readonly kind: 'refuse'; readonly reason: RefusalReason };

const refuse = (reason: RefusalReason): Verdict => ({ kind: 'refuse', reason });

/** The admissions of one purpose, one ring epoch at a time. Decides; touches no socket. */
export class Admissions {
  private current: Admission | undefined;
  /** Newest ring epoch that was ever open, with its run: what is not newer does not come back. */
  private newest: { readonly runId: string; readonly ringEpoch: number } | undefined;
  private readonly admitted = new Set<number>();

  /** Throws OperationalError 'ring-refused' for a ring epoch that is not newer than all before it. */
  open(admission: Admission): void {
    const { newest } = this;
    if (newest?.runId === admission.runId && admission.ringEpoch <= newest.ringEpoch) {
      throw new OperationalError(
        'ring-refused',
        `ring epoch ${admission.ringEpoch} is over: this worker has been in ${newest.ringEpoch}`,
      );
    }
    this.current = admission;
    this.newest = { runId: admission.runId, ringEpoch: admission.ringEpoch };
    this.admitted.clear();
  }

  /** Lets nobody in any more, unless another admission was opened meanwhile. */
  close(admission: Admission): void {
    if (this.current === admission) this.current = undefined;
  }

  judge(hello: Hello): Verdict {
    const { newest, current } = this;
    if (!newest) return { kind: 'hold' };
    if (hello.runId !== newest.runId) return refuse('wrong-run');
    if (hello.ringEpoch > newest.ringEpoch) return { kind: 'hold' };
    if (!current || hello.ringEpoch < newest.ringEpoch) return refuse('old-epoch');
    if (hello.toRank !== current.toRank || !current.fromRanks.includes(hello.fromRank))
      return refuse('wrong-rank');
    if (this.admitted.has(hello.fromRank)) return refuse('duplicate');
    return { kind: 'challenge', admission: current };
  }

  /**
   * Gives the slot to a peer that has proved itself against `admission`. Undefined when it is the peer's; else why not: the
   * world may have changed since the challenge.
   */
  admit(hello: Hello, admission: Admission): RefusalReason | undefined {
    const verdict = this.judge(hello);
    if (verdict.kind === 'refuse') return verdict.reason;
    if (verdict.kind === 'hold' || verdict.admission !== admission) return 'old-epoch';
    this.admitted.add(hello.fromRank);
    return undefined;
  }
}
