import type {
  RunSpec,
  RunSpecDraft,
  StateSource,
  UpMessage,
  UpdateRow,
  WorkerTotals,
  FileRecord,
} from '../proto/index.js';
import type { CheckpointRecord, Standing } from './membership.js';
import type { FingerprintBook } from './replica-guard.js';

/** What a run is to do, as far as it does not decide its bits. */
export interface RunPlan {
  readonly runId: string;
  readonly steps: number;
  /** Steps kept assigned ahead of the committed one. */
  readonly prefetch: number;
  /** The first ring epoch waits for this many workers. */
  readonly expectedWorkers: number;
  /** How long to wait for the first workers before the run is given up. */
  readonly waitWorkersMs: number;
  readonly checkpointEveryMs: number;
  /** On one machine a refused worker means that no other will fit either; a real cluster waits for better ones. */
  readonly refusalEndsRun: boolean;
}

/**
 * How often rank 0 reports: each half of what is assigned ahead, so that the other half is there to work on until new
 * assignments come.
 */
export const reportEverySteps = ({ prefetch }: RunPlan): number => Math.max(1, Math.floor(prefetch / 2));

export interface WorkerRecord {
  readonly workerId: string;
  readonly ring: { readonly host: string; readonly port: number };
  /** Its engine is up and its fingerprint is the run's. */
  readonly ready: boolean;
  readonly lastSeenMs: number;
  readonly totals: WorkerTotals;
}

export interface RingEpoch {
  readonly ringEpoch: number;
  readonly world: readonly string[];
  readonly spares: readonly string[];
  readonly nextUpdate: number;
  readonly source: StateSource;
  readonly secret: string;
  readonly started: ReadonlySet<string>;
  readonly sentAtMs: number;
}

export type Outcome = 'done' | 'interrupted' | 'failed';

/** The way from the last commit to the end: each stage waits for the one before. */
export type FinishStage = 'settling' | 'checkpointing' | 'exporting' | 'writing';

export type Phase =
  | { readonly kind: 'gathering'; readonly sinceMs: number }
  | { readonly kind: 'surveying'; readonly survey: number; readonly standings: ReadonlyMap<string, Standing> }
  | { readonly kind: 'writing' }
  | { readonly kind: 'training' }
  | { readonly kind: 'finishing'; readonly outcome: 'done' | 'interrupted'; readonly stage: FinishStage }
  | { readonly kind: 'ended'; readonly outcome: Outcome; readonly message: string };

export interface PendingTask {
  readonly task: string;
  readonly workerId: string;
  readonly sinceMs: number;
}

export interface RunState {
  readonly plan: RunPlan;
  readonly spec: RunSpec | RunSpecDraft;
  readonly phase: Phase;
  /** In the order in which they first said hello. */
  readonly workers: ReadonlyMap<string, WorkerRecord>;
  readonly epoch: RingEpoch | null;
  readonly surveys: number;
  /** Updates below this one are committed. */
  readonly committed: number;
  /** Steps below this one are assigned. */
  readonly assigned: number;
  /** Steps below this one are to be assigned: the plan's, or fewer once a stop was asked for. */
  readonly goal: number;
  readonly fingerprints: FingerprintBook;
  readonly checkpoint: CheckpointRecord | null;
  readonly checkpointTask: PendingTask | null;
  readonly lastCheckpointMs: number;
  readonly tasks: number;
  /** Members whose report on the goal's last update, with a fingerprint, has come. */
  readonly settled: ReadonlySet<string>;
}

export type RunEvent =
  | { readonly kind: 'hello'; readonly message: UpMessage<'hello'> }
  | { readonly kind: 'ready'; readonly message: UpMessage<'ready'> }
  | { readonly kind: 'heartbeat'; readonly message: UpMessage<'heartbeat'> }
  | { readonly kind: 'standing'; readonly message: UpMessage<'standing'> }
  | { readonly kind: 'ringWritten'; readonly epoch: Omit<RingEpoch, 'started' | 'sentAtMs'> }
  | { readonly kind: 'started'; readonly message: UpMessage<'started'> }
  | { readonly kind: 'report'; readonly message: UpMessage<'report'> }
  | { readonly kind: 'need'; readonly message: UpMessage<'need'> }
  | { readonly kind: 'failure'; readonly message: UpMessage<'failure'> }
  | { readonly kind: 'goodbye'; readonly message: UpMessage<'goodbye'> }
  | { readonly kind: 'checkpointed'; readonly message: UpMessage<'checkpointed'> }
  | { readonly kind: 'checkpointCommitted'; readonly record: CheckpointRecord }
  | { readonly kind: 'exported'; readonly message: UpMessage<'exported'> }
  | { readonly kind: 'taskFailed'; readonly message: UpMessage<'taskFailed'> }
  | { readonly kind: 'resultWritten' }
  | { readonly kind: 'effectFailed'; readonly message: string }
  | { readonly kind: 'stopRequested' }
  | { readonly kind: 'tick' };

export type RunCommand =
  | { readonly kind: 'welcome'; readonly workerId: string; readonly spec: RunSpec | RunSpecDraft }
  | {
      readonly kind: 'refuse';
      readonly workerId: string;
      readonly code: 'usage' | 'fingerprint-mismatch' | 'protocol';
      readonly message: string;
    }
  | { readonly kind: 'survey'; readonly survey: number; readonly ringEpoch: number }
  | {
      readonly kind: 'writeRing';
      readonly world: readonly string[];
      readonly spares: readonly string[];
      readonly nextUpdate: number;
      readonly source: StateSource;
      readonly reason: string;
    }
  | { readonly kind: 'start'; readonly workerId: string }
  | { readonly kind: 'assign'; readonly workerId: string; readonly step: number; readonly shard: number }
  | { readonly kind: 'append'; readonly rows: readonly UpdateRow[] }
  | { readonly kind: 'settle'; readonly workerId: string; readonly update: number }
  | { readonly kind: 'takeCheckpoint'; readonly workerId: string; readonly task: string }
  | { readonly kind: 'commitCheckpoint'; readonly message: UpMessage<'checkpointed'> }
  | { readonly kind: 'export'; readonly workerId: string; readonly task: string }
  | {
      readonly kind: 'writeResult';
      readonly outcome: 'done' | 'interrupted';
      readonly files: readonly FileRecord[];
    }
  | { readonly kind: 'say'; readonly level: 'info' | 'warning' | 'error'; readonly text: string }
  | {
      readonly kind: 'end';
      readonly outcome: Outcome;
      readonly exitStatus: number;
      readonly message: string;
    };

export interface Decision {
  readonly state: RunState;
  readonly commands: readonly RunCommand[];
}

/** The state before anything has happened. */
export function initialRunState(
  plan: RunPlan,
  spec: RunSpec | RunSpecDraft,
  checkpoint: CheckpointRecord | null,
  nowMs: number,
): RunState {
  const update = checkpoint?.update ?? 0;
  return {
    plan,
    spec,
    phase: { kind: 'gathering', sinceMs: nowMs },
    workers: new Map(),
    epoch: null,
    surveys: 0,
    committed: update,
    assigned: update / 2,
    goal: plan.steps,
    fingerprints: new Map(),
    checkpoint,
    checkpointTask: null,
    lastCheckpointMs: nowMs,
    tasks: 0,
    settled: new Set(),
  };
}
