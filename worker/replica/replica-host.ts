import { Worker } from 'node:worker_threads';
import { OperationalError } from '../../proto/index.js';
import { compiledUrl } from '../../proto/runtime/compiled-url.js';
import { REFUSAL_REASONS, type RefusalReason, type RingTls } from '../ring/index.js';
import { PHASES, PROGRESS, type FromReplica, type PhaseName, type ToReplica } from './port.js';

/** For a shard to be done, of the smallest engines too. */
const LEAVE_MS = 2_000;

export interface ReplicaThreadData {
  readonly workerId: string;
  readonly name: string;
  readonly progress: SharedArrayBuffer;
  readonly ringHost: string;
  readonly ringPort: number;
  /** With it the ring speaks TLS. */
  readonly ringTls: RingTls | undefined;
  readonly engineThreads: number;
}

export interface ReplicaProgress {
  readonly ringEpoch: number;
  /** Null while the replica has no state. */
  readonly nextUpdate: number | null;
  readonly phase: PhaseName;
  /** Another number than before means that the replica thread lives. */
  readonly beat: number;
}

/** The control thread's handle on the replica thread. */
export class ReplicaHost {
  private handler: (message: FromReplica) => void = () => undefined;
  private port = 0;

  private constructor(
    private readonly thread: Worker,
    private readonly shared: Int32Array,
  ) {
    thread.on('message', (message: FromReplica) => this.handler(message));
    thread.on('error', (error) => {
      this.handler({ kind: 'fatal', code: 'run-failed', message: error.stack ?? error.message });
    });
    thread.on('exit', (code) => {
      this.handler({
        kind: 'fatal',
        code: 'run-failed',
        message: `the replica thread ended with code ${code}`,
      });
    });
  }

  /** Starts the thread and waits until its ring port is open. */
  static async start(options: Omit<ReplicaThreadData, 'progress'>): Promise<ReplicaHost> {
    const progress = new SharedArrayBuffer(4 * PROGRESS.length);
    const workerData: ReplicaThreadData = { ...options, progress };
    const thread = new Worker(compiledUrl(import.meta.url, './replica-thread.js'), { workerData });
    const host = new ReplicaHost(thread, new Int32Array(progress));
    await new Promise<void>((resolve, reject) => {
      host.onMessage((message) => {
        if (message.kind === 'listening') {
          host.port = message.port;
          resolve();
        } else if (message.kind === 'fatal') {
          reject(new OperationalError(message.code === 'usage' ? 'usage' : 'run-failed', message.message));
        }
      });
    });
    return host;
  }

  /** Where the other workers reach this one's ring. */
  get ringPort(): number {
    return this.port;
  }

  onMessage(handler: (message: FromReplica) => void): void {
    this.handler = handler;
  }

  post(message: ToReplica): void {
    this.thread.postMessage(message);
  }

  /**
   * Passes on an assignment. `frame` is a part of whatever the bus read it into, all of which would be copied with it: so
   * it is copied out once, and that copy changes hands.
   */
  assign(frame: Uint8Array): void {
    const own = new Uint8Array(frame);
    const message: ToReplica = { kind: 'assignment', frame: own };
    this.thread.postMessage(message, [own.buffer]);
  }

  /** How far the replica is, read without asking it. */
  progress(): ReplicaProgress {
    const next = Atomics.load(this.shared, PROGRESS.nextUpdate);
    return {
      ringEpoch: Atomics.load(this.shared, PROGRESS.ringEpoch),
      nextUpdate: next === 0 ? null : next - 1,
      phase: PHASES[Atomics.load(this.shared, PROGRESS.phase)] ?? 'idle',
      beat: Atomics.load(this.shared, PROGRESS.beat),
    };
  }

  /** Peers that the ring's port has turned away, by reason. */
  refusals(): Record<RefusalReason, number> {
    const counts = REFUSAL_REASONS.map((reason, i) => [
      reason,
      Atomics.load(this.shared, PROGRESS.refusals + i),
    ]);
    return Object.fromEntries(counts) as Record<RefusalReason, number>;
  }

  /** Whether NATS is away: a neighbour that has no work is no silent one. */
  setOffline(offline: boolean): void {
    Atomics.store(this.shared, PROGRESS.offline, Number(offline));
  }

  /**
   * Ends the thread, between two shards if it can: one that is ended while ONNX Runtime calls back takes the whole process
   * with it, by SIGABRT, and nobody learns why it was to end.
   */
  async close(): Promise<void> {
    if (this.progress().phase !== 'idle') await this.leaveRing();
    this.handler = () => undefined;
    await this.thread.terminate();
  }

  private leaveRing(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, LEAVE_MS);
      this.handler = ({ kind }) => {
        if (kind !== 'standing' && kind !== 'fatal') return;
        clearTimeout(timer);
        resolve();
      };
      this.post({ kind: 'survey', term: 0, survey: 0, ringEpoch: Number.MAX_SAFE_INTEGER });
    });
  }
}
