import type { DownMessage, RunSpec, RunSpecDraft, UpdateRow, WorkerTotals } from '../../proto/index.js';

import type { NamedFile } from '../export/index.js';

/** What the control thread tells the replica thread. */
export type ToReplica =
  | { readonly kind: 'prepare'; readonly runId: string; readonly spec: RunSpec | RunSpecDraft }
  | { readonly kind: 'survey'; readonly survey: number; readonly ringEpoch: number }
  /** `state` holds the checkpoint's bytes when the source is one and this replica does not stand there already. */
  | { readonly kind: 'start'; readonly start: DownMessage<'start'>; readonly state: Uint8Array | null }
  | { readonly kind: 'assignment'; readonly frame: Uint8Array }
  | { readonly kind: 'checkpoint'; readonly task: string; readonly object: string }
  | { readonly kind: 'export'; readonly task: string; readonly prefix: string }
  | { readonly kind: 'settle'; readonly ringEpoch: number; readonly update: number };

export interface ReplicaReport {
  readonly ringEpoch: number;
  readonly nextUpdate: number;
  readonly rows: readonly UpdateRow[];
  readonly fingerprints: readonly { readonly update: number; readonly fingerprint: string }[];
  readonly totals: WorkerTotals;
}

/** What the replica thread tells the control thread. */
export type FromReplica =
  | { readonly kind: 'listening'; readonly port: number }
  | {
      readonly kind: 'ready';
      readonly engine: string;
      readonly engineVersion: string;
      readonly engineThreads: number;
      readonly engineFingerprint: string;
    }
  | {
      readonly kind: 'standing';
      readonly survey: number;
      readonly nextUpdate: number | null;
      readonly stateFingerprint: string | null;
    }
  | {
      readonly kind: 'started';
      readonly ringEpoch: number;
      readonly nextUpdate: number;
      readonly stateFingerprint: string;
    }
  | { readonly kind: 'report'; readonly report: ReplicaReport }
  | {
      readonly kind: 'need';
      readonly ringEpoch: number;
      readonly step: number;
      readonly shards: readonly number[];
    }
  | { readonly kind: 'failure'; readonly ringEpoch: number; readonly code: string; readonly message: string }
  | {
      readonly kind: 'state';
      readonly task: string;
      readonly object: string;
      readonly update: number;
      readonly stateFingerprint: string;
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: 'exported';
      readonly task: string;
      readonly prefix: string;
      readonly update: number;
      readonly files: readonly NamedFile[];
    }
  | { readonly kind: 'taskFailed'; readonly task: string; readonly message: string }
  /** The thread cannot go on at all: one line for the user. */
  | { readonly kind: 'fatal'; readonly code: string; readonly message: string };

/** Places in the shared Int32Array by which the control thread sees how far the replica is without asking it. */
export const PROGRESS = { ringEpoch: 0, nextUpdate: 1, phase: 2, length: 4 } as const;
export const PHASES = ['idle', 'wait', 'compute', 'reduce', 'update'] as const;
export type PhaseName = (typeof PHASES)[number];
