import type {
  DownMessage,
  NetworkName,
  RunSpec,
  RunSpecDraft,
  UpdateRow,
  WorkerTotals,
} from '../../proto/index.js';
import type { RejectionReason } from '../../proto/runtime/rejections.js';
import { REFUSAL_REASONS } from '../ring/index.js';

/** Something to be done before `update` is computed. */
export type ReplicaTask =
  | {
      readonly kind: 'checkpoint';
      readonly ringEpoch: number;
      readonly update: number;
      readonly task: string;
      readonly object: string;
    }
  | {
      readonly kind: 'export';
      readonly ringEpoch: number;
      readonly update: number;
      readonly task: string;
      readonly networks: readonly NetworkName[];
      readonly prefix: string;
    }
  | { readonly kind: 'settle'; readonly ringEpoch: number; readonly update: number };

/** What the control thread tells the replica thread. */
export type ToReplica =
  | {
      readonly kind: 'prepare';
      readonly runId: string;
      readonly spec: RunSpec | RunSpecDraft;
      /** UUID of the one NVIDIA GPU that the engine is to see. */
      readonly device: string | null;
    }
  | {
      readonly kind: 'survey';
      readonly term: number;
      readonly survey: number;
      readonly ringEpoch: number;
    }
  | { readonly kind: 'start'; readonly start: DownMessage<'start'> }
  | { readonly kind: 'assignment'; readonly frame: Uint8Array }
  | ReplicaTask
  /** Answer to `fetch`: the object's bytes, or why there are none. */
  | { readonly kind: 'fetched'; readonly object: string; readonly bytes: Uint8Array }
  | { readonly kind: 'notFetched'; readonly object: string; readonly message: string };

/** Where the time of one update went, in ms. */
export type PhaseDurations = Record<'wait' | 'compute' | 'reduce' | 'update', number>;

export interface ReplicaReport {
  readonly ringEpoch: number;
  readonly nextUpdate: number;
  readonly rows: readonly UpdateRow[];
  readonly fingerprints: readonly { readonly update: number; readonly fingerprint: string }[];
  readonly totals: WorkerTotals;
  /** Of the updates since the report before; they stay with the worker. */
  readonly durations: readonly PhaseDurations[];
}

/** What the replica thread tells the control thread. */
export type FromReplica =
  | { readonly kind: 'refusedAssignment'; readonly reason: RejectionReason }
  | { readonly kind: 'listening'; readonly port: number }
  | {
      readonly kind: 'ready';
      readonly engine: string;
      readonly engineVersion: string;
      readonly engineThreads: number;
      readonly engineFingerprint: string;
      readonly firstShardMs: number;
    }
  | {
      readonly kind: 'standing';
      readonly term: number;
      readonly survey: number;
      readonly nextUpdate: number | null;
      readonly stateFingerprint: string | null;
      readonly rowsFrom: number;
      readonly begunIn: number;
    }
  | {
      readonly kind: 'started';
      readonly ringEpoch: number;
      readonly nextUpdate: number;
      readonly stateFingerprint: string;
    }
  | { readonly kind: 'report'; readonly report: ReplicaReport }
  | {
      readonly kind: 'sample';
      readonly ringEpoch: number;
      readonly step: number;
      readonly images: Uint8Array<ArrayBuffer>;
    }
  | {
      readonly kind: 'need';
      readonly ringEpoch: number;
      readonly step: number;
      readonly shards: readonly number[];
    }
  | {
      readonly kind: 'failure';
      readonly ringEpoch: number;
      readonly code: string;
      readonly message: string;
      /** The worker whose link was lost or silent; null when the fault is not a link's. */
      readonly neighbour: string | null;
    }
  /** Asks for an object of the run's store. */
  | { readonly kind: 'fetch'; readonly object: string; readonly sha256: string }
  | {
      readonly kind: 'state';
      readonly task: string;
      readonly object: string;
      readonly update: number;
      readonly stateFingerprint: string;
      readonly bytes: Uint8Array;
    }
  /** All that the files of the networks follow from; copies, so that the replica may go on. */
  | {
      readonly kind: 'toExport';
      readonly task: string;
      readonly networks: readonly NetworkName[];
      readonly prefix: string;
      readonly update: number;
      readonly spec: RunSpec;
      readonly state: Uint8Array;
      readonly parameters: Float32Array;
      readonly statistics: Float32Array;
      /** Images [n, imageSize] in [-1, 1] of sampleNoise(spec). */
      readonly samples: Float32Array;
    }
  | { readonly kind: 'taskFailed'; readonly task: string; readonly message: string }
  /** The thread cannot go on at all: one line for the user. */
  | { readonly kind: 'fatal'; readonly code: string; readonly message: string };

/** Places in the Int32Array that both threads share: what one wants to know of the other without asking it. */
export const PROGRESS = {
  ringEpoch: 0,
  /** Plus one; 0 while the replica has no state. */
  nextUpdate: 1,
  phase: 2,
  /** Grows as long as the replica thread lives. */
  beat: 3,
  /** By the control thread: 1 while NATS is away. */
  offline: 4,
  /** From here on: peers that were turned away, in the order of REFUSAL_REASONS. */
  refusals: 5,
  length: 5 + REFUSAL_REASONS.length,
} as const;
export const PHASES = ['idle', 'fetch', 'open', 'wait', 'compute', 'reduce', 'update'] as const;
export type PhaseName = (typeof PHASES)[number];
