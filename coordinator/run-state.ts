import type {
  DownMessage,
  FileRecord,
  HeldDevice,
  NetworkName,
  RunSpec,
  RunSpecDraft,
  StateSource,
  UpMessage,
  UpdateRow,
  WorkerTotals,
} from '../proto/index.js';
import type { LinkFailure } from './blame.js';
import type { CheckpointRecord, Standing } from './membership.js';
import type { Pace } from './pace.js';
import type { FingerprintBook } from './replica-guard.js';
import type { CutLink } from './ring-order.js';
import type { Strikes } from './strikes.js';

/** What a run is to do, as far as it does not decide its bits. */
export interface RunPlan {
  readonly runId: string;
  readonly steps: number;
  /** Steps kept assigned ahead of the committed one. */
  readonly prefetch: number;
  /** The first ring epoch waits for this many workers. */
  readonly expectedWorkers: number;
  /** How long to wait for workers before the run is given up. */
  readonly waitWorkersMs: number;
  readonly checkpointEveryMs: number;
  /** Sample images are made this often. */
  readonly sampleEverySteps: number;
  /** Whose files the result has. */
  readonly networks: readonly NetworkName[];
  /** On one machine a refused worker means that no other will fit either; a real cluster waits for better ones. */
  readonly refusalEndsRun: boolean;
}

/**
 * How often rank 0 reports: each half of what is assigned ahead, so that the other half is there to work on until new
 * assignments come.
 */
export const reportEverySteps = ({ prefetch }: RunPlan): number => Math.max(1, Math.floor(prefetch / 2));

export interface WorkerRecord {
  /** Of the process. */
  readonly workerId: string;
  /** What users see; the same after the worker was started again. */
  readonly name: string;
  readonly hostname: string;
  readonly pid: number;
  readonly ring: { readonly host: string; readonly port: number };
  /** Its ring speaks TLS. */
  readonly ringTls: boolean;
  /** The NVIDIA GPU that it has to itself: leased to it for as long as this record is there, or named by hand. */
  readonly device: HeldDevice | null;
  /** Its engine is up and its fingerprint is the run's. */
  readonly ready: boolean;
  /** When it became so, or was let back in. */
  readonly readyMs: number;
  /** It said that it holds a replica state. */
  readonly holdsState: boolean;
  /** It has asked to be let go, for this reason. */
  readonly leaving: string | null;
  /** It was found silent or failing: no candidate until it was heard again and this time has come. */
  readonly excluded: { readonly untilMs: number; readonly heard: boolean } | null;
  readonly lastSeenMs: number;
  /** The last ring epoch in which it said that it failed by itself: it says so again and again, and that counts once. */
  readonly failedIn: number;
  readonly totals: WorkerTotals;
}

/** Why the world changes: the kind is a metric's label, so the list is closed. */
export type CauseKind = 'first' | 'coordinator' | 'join' | 'leave' | 'lost' | 'fault' | 'mismatch' | 'stall';

export interface Cause {
  readonly kind: CauseKind;
  /** In words, with names. */
  readonly text: string;
  readonly atMs: number;
  /** Trust nothing newer than what all replicas agreed on. */
  readonly fromAgreed: boolean;
}

export interface RingEpoch {
  readonly ringEpoch: number;
  readonly world: readonly string[];
  readonly spares: readonly string[];
  readonly nextUpdate: number;
  readonly stateFingerprint: string | null;
  readonly source: StateSource;
  readonly cause: Cause;
  /** In words: what happened, and where the run goes on. */
  readonly reason: string;
  readonly secret: string;
  readonly started: ReadonlySet<string>;
  /** The furthest that somebody has told of in it: updates below this one are applied. */
  readonly reached: number;
  readonly sentAtMs: number;
}

/** Every member has its state and its place in the ring. */
export const isComplete = ({ world, started }: RingEpoch): boolean => world.every((id) => started.has(id));

export type Outcome = 'done' | 'interrupted' | 'failed';

/** The way from the last commit to the end: each stage waits for the one before. */
export type FinishStage = 'settling' | 'checkpointing' | 'exporting' | 'writing';

export type Phase =
  /** Nobody trains: waits for workers. */
  | {
      readonly kind: 'gathering';
      readonly sinceMs: number;
      readonly firstReadyMs: number | null;
      /** A ring epoch could not be written: then it is tried again, for the same cause. */
      readonly retry?: { readonly atMs: number; readonly cause: Cause };
    }
  | {
      readonly kind: 'surveying';
      readonly survey: number;
      readonly askedMs: number;
      /** When the time to answer began; later than `askedMs` when nobody could be heard meanwhile. */
      readonly sinceMs: number;
      readonly cause: Cause;
      readonly standings: ReadonlyMap<string, Standing>;
      readonly failures: readonly LinkFailure[];
    }
  /** The decision is being written; `changed` tells what has made it obsolete meanwhile. */
  | {
      readonly kind: 'writing';
      readonly cause: Cause;
      readonly world: readonly string[];
      readonly changed: Cause | null;
    }
  | { readonly kind: 'training' }
  | { readonly kind: 'finishing'; readonly outcome: 'done' | 'interrupted'; readonly stage: FinishStage }
  | { readonly kind: 'ended'; readonly outcome: Outcome; readonly message: string };

/** A checkpoint under way: committed once it is stored, all replicas agree on it, and its rows are in the history. */
export interface CheckpointTask {
  readonly task: string;
  readonly workerId: string;
  readonly update: number;
  readonly sinceMs: number;
  readonly sentAtMs: number;
  readonly agreed: boolean;
  readonly stored: UpMessage<'checkpointed'> | null;
  readonly committing: boolean;
}

export interface ExportTask {
  readonly task: string;
  readonly workerId: string;
  readonly sinceMs: number;
  readonly sentAtMs: number;
}

/**
 * The generator of a run that goes on. It is exported when somebody asks, at the end of what is assigned, where nobody can
 * have passed yet; it counts once all replicas agree on the state that it is made of, and is then given to all who ask
 * while it is fresh. Whatever breaks meanwhile costs another attempt and nothing else: no ring epoch, no checkpoint and no
 * step waits for it.
 */
export interface NewestExport {
  /** Whose files are asked for and not there yet. */
  readonly asked: readonly NetworkName[];
  readonly task: NewestTask | null;
  readonly kept: {
    readonly step: number;
    readonly networks: readonly NetworkName[];
    readonly atMs: number;
    readonly freshMs: number;
  } | null;
  /** Attempts in a row that came to nothing. */
  readonly failures: number;
  /** The last of them, and when the next one may begin. */
  readonly failed: { readonly text: string; readonly againMs: number } | null;
}

export interface NewestTask extends ExportTask {
  readonly update: number;
  readonly networks: readonly NetworkName[];
  readonly agreed: boolean;
  readonly stored: UpMessage<'exported'> | null;
  /** Its files are being taken out of the object store: nothing of the world is needed any more. */
  readonly keeping: boolean;
}

export interface RunState {
  readonly plan: RunPlan;
  /** Of this coordinator's lead. */
  readonly term: number;
  /** When this coordinator began to lead. */
  readonly leadSinceMs: number;
  readonly spec: RunSpec | RunSpecDraft;
  readonly phase: Phase;
  /** In the order in which they came, or came back. */
  readonly workers: ReadonlyMap<string, WorkerRecord>;
  /** Workers that no card is free for, and when they last asked for one: each is told of once. */
  readonly waiting: ReadonlyMap<string, number>;
  readonly epoch: RingEpoch | null;
  /** The world of the ring epoch that the store tells of: a coordinator that comes back waits for these first. */
  readonly recordedWorld: readonly string[];
  /** The number of that ring epoch: all others are above it. */
  readonly recordedEpoch: number;
  readonly surveys: number;
  /** Updates below this one are committed. */
  readonly committed: number;
  /** Steps below this one are assigned. */
  readonly assigned: number;
  /** Steps below this one are to be assigned: the plan's, or fewer once a stop was asked for. */
  readonly goal: number;
  readonly fingerprints: FingerprintBook;
  readonly checkpoint: CheckpointRecord | null;
  /** When it was taken, or when this coordinator began to lead. */
  readonly checkpointedMs: number;
  readonly checkpointTask: CheckpointTask | null;
  readonly exportTask: ExportTask | null;
  readonly newest: NewestExport;
  readonly lastCheckpointMs: number;
  /** Samples of up to this many steps are kept. */
  readonly sampledSteps: number;
  /** Checkpoints that failed since the last good one; after the last one, attempts to bring the run to its end. */
  readonly failedCheckpoints: number;
  readonly tasks: number;
  /** Members whose report on the goal's last update, with a fingerprint, has come. */
  readonly settled: ReadonlySet<string>;
  readonly pace: Pace;
  readonly strikes: Strikes;
  readonly cuts: readonly CutLink[];
  /** A link that failed though both ends answered; the second time in a row it is taken for cut. */
  readonly suspect: string | null;
  /** Ring epochs in a row that ended before an update was applied. */
  readonly fruitless: number;
  /** Attempts in a row to write a ring epoch that failed. */
  readonly unwritten: number;
  /** Times that replicas differed since the last checkpoint. */
  readonly mismatches: number;
  /**
   * Replicas differed before this ring epoch: a state that was begun in an older one does not count, not even that of a
   * worker that was away meanwhile and stands further on.
   */
  readonly trustedFrom: number;
  /** What broke the last ring epoch, until the next commit. */
  readonly fault: { readonly atMs: number; readonly text: string } | null;
  /** What the last worker to fail by itself, not by a lost link, said of it, until the next commit. */
  readonly ownFault: string | null;
  /** Since when a newcomer waits to be let in. */
  readonly joinSinceMs: number | null;
  readonly connected: boolean;
  readonly disconnectedMs: number;
  readonly lastTickMs: number;
}

export type RunEvent =
  | { readonly kind: 'hello'; readonly message: UpMessage<'hello'> }
  | { readonly kind: 'ready'; readonly message: UpMessage<'ready'> }
  | { readonly kind: 'heartbeat'; readonly message: UpMessage<'heartbeat'> }
  | { readonly kind: 'standing'; readonly message: UpMessage<'standing'> }
  | {
      readonly kind: 'ringWritten';
      readonly epoch: Omit<RingEpoch, 'started' | 'sentAtMs' | 'reached'>;
    }
  /** The store refused or did not answer: it is tried again. */
  | { readonly kind: 'ringNotWritten'; readonly message: string }
  | { readonly kind: 'started'; readonly message: UpMessage<'started'> }
  | { readonly kind: 'report'; readonly message: UpMessage<'report'> }
  | { readonly kind: 'need'; readonly message: UpMessage<'need'> }
  | { readonly kind: 'sample'; readonly message: UpMessage<'sample'> }
  | { readonly kind: 'failure'; readonly message: UpMessage<'failure'> }
  | { readonly kind: 'leaving'; readonly message: UpMessage<'leaving'> }
  | { readonly kind: 'goodbye'; readonly message: UpMessage<'goodbye'> }
  | { readonly kind: 'exited'; readonly message: UpMessage<'exited'> }
  | { readonly kind: 'checkpointed'; readonly message: UpMessage<'checkpointed'> }
  | { readonly kind: 'checkpointCommitted'; readonly record: CheckpointRecord }
  | { readonly kind: 'exported'; readonly message: UpMessage<'exported'> }
  | { readonly kind: 'taskFailed'; readonly message: UpMessage<'taskFailed'> }
  /** Somebody asks for the newest generator. */
  | { readonly kind: 'newestAsked'; readonly networks: readonly NetworkName[] }
  | { readonly kind: 'newestKept'; readonly task: string }
  | { readonly kind: 'newestFailed'; readonly task: string; readonly message: string }
  | { readonly kind: 'resultWritten' }
  | { readonly kind: 'effectFailed'; readonly message: string }
  /** The connection to NATS was lost, or stands again. */
  | { readonly kind: 'connection'; readonly up: boolean }
  | { readonly kind: 'stopRequested' }
  /** All steps are done, and the result of them lies where it belongs. */
  | { readonly kind: 'foundComplete' }
  | { readonly kind: 'tick' };

export type RefusalCode = DownMessage<'refused'>['code'];

export type RunCommand =
  /** Asks everybody for a hello. */
  | { readonly kind: 'announce' }
  | {
      readonly kind: 'welcome';
      readonly workerId: string;
      readonly spec: RunSpec | RunSpecDraft;
      /** UUID of the card that it is to compute on. */
      readonly device: string | null;
    }
  | { readonly kind: 'wait'; readonly workerId: string; readonly message: string }
  | {
      readonly kind: 'refuse';
      readonly workerId: string;
      readonly code: RefusalCode;
      readonly message: string;
    }
  | { readonly kind: 'release'; readonly workerId: string }
  | { readonly kind: 'survey'; readonly survey: number; readonly ringEpoch: number }
  | ({ readonly kind: 'writeRing'; readonly trustedFrom: number } & Omit<
      RingEpoch,
      'ringEpoch' | 'secret' | 'started' | 'sentAtMs' | 'reached'
    >)
  | { readonly kind: 'start'; readonly workerId: string }
  | { readonly kind: 'assign'; readonly workerId: string; readonly step: number; readonly shard: number }
  | { readonly kind: 'append'; readonly rows: readonly UpdateRow[] }
  /** Keeps the sample images that were made after so many steps, and tells that they are kept. */
  | { readonly kind: 'keepSample'; readonly step: number; readonly images: Uint8Array }
  /** The history from this update on is void: it will be told again. */
  | { readonly kind: 'truncate'; readonly update: number }
  | { readonly kind: 'settle'; readonly workerId: string; readonly update: number }
  | {
      readonly kind: 'takeCheckpoint';
      readonly workerId: string;
      readonly task: string;
      readonly update: number;
    }
  | { readonly kind: 'commitCheckpoint'; readonly message: UpMessage<'checkpointed'> }
  | { readonly kind: 'export'; readonly workerId: string; readonly task: string }
  | ({ readonly kind: 'exportNewest' } & Pick<NewestTask, 'workerId' | 'task' | 'update' | 'networks'>)
  /** Takes the files of a generator out of the object store, for those who have asked for it. */
  | {
      readonly kind: 'keepNewest';
      readonly task: string;
      readonly step: number;
      readonly stateSha256: string;
      readonly files: readonly FileRecord[];
    }
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

/** What the store tells of a run when a coordinator takes the lead. */
export interface RecordedRun {
  readonly checkpoint: CheckpointRecord | null;
  /** The newest ring epoch, 0 for none, and its world. */
  readonly ringEpoch: number;
  readonly world: readonly string[];
  /** States that were begun in a ring epoch before this one do not count. */
  readonly trustedFrom: number;
}

/** The state before anything has happened. */
export function initialRunState(
  plan: RunPlan,
  spec: RunSpec | RunSpecDraft,
  recorded: RecordedRun,
  term: number,
  nowMs: number,
): RunState {
  const { checkpoint } = recorded;
  const update = checkpoint?.update ?? 0;
  return {
    plan,
    term,
    leadSinceMs: nowMs,
    spec,
    phase: { kind: 'gathering', sinceMs: nowMs, firstReadyMs: null },
    workers: new Map(),
    waiting: new Map(),
    epoch: null,
    recordedWorld: recorded.world,
    recordedEpoch: recorded.ringEpoch,
    surveys: 0,
    committed: update,
    assigned: update / 2,
    goal: plan.steps,
    fingerprints: new Map(),
    checkpoint,
    checkpointedMs: nowMs,
    checkpointTask: null,
    exportTask: null,
    newest: { asked: [], task: null, kept: null, failures: 0, failed: null },
    lastCheckpointMs: nowMs,
    sampledSteps: 0,
    failedCheckpoints: 0,
    tasks: 0,
    settled: new Set(),
    pace: { stepMs: null, sinceMs: nowMs },
    strikes: new Map(),
    cuts: [],
    suspect: null,
    fruitless: 0,
    unwritten: 0,
    mismatches: 0,
    trustedFrom: recorded.trustedFrom,
    fault: null,
    ownFault: null,
    joinSinceMs: null,
    connected: true,
    disconnectedMs: nowMs,
    lastTickMs: nowMs,
  };
}
