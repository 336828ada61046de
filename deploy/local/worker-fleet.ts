import { hostname } from 'node:os';
import type { Bus } from '../../proto/runtime/bus.js';
import type { ClusterProcess } from './child.js';
import type { NatsPresence } from './nats-presence.js';
import { WORKER_RULES, decisionWords } from './restart-policy.js';
import { SupervisedProcess, type ProcessEnd } from './supervised-process.js';

export interface WorkerFleetParts {
  readonly bus: Bus;
  readonly nats: NatsPresence;
  /** Starts a worker; its engine may use so many threads. */
  readonly startWorker: (name: string, engineThreads: number) => ClusterProcess;
  /** Cores of this machine that the workers share. */
  readonly cores: number;
  readonly say: (text: string) => void;
  /** Where the process's log is, as the user is told. */
  readonly logOf: (name: string) => string;
  readonly nowMs: () => number;
}

type Worker = SupervisedProcess<ClusterProcess>;

/** The worker processes `worker-0`, `worker-1` ... of a local cluster: as many as are asked for, also after some died. */
export class WorkerFleet {
  /** By number; also those that are down for a while. */
  private readonly workers = new Map<number, Worker>();
  /** Asked to leave and still there. */
  private readonly leaving = new Map<number, Worker>();
  private released = false;
  /** Workers that are wanted, those included that are about to be started. */
  private wanted = 0;

  constructor(private readonly parts: WorkerFleetParts) {}

  get size(): number {
    return this.workers.size;
  }

  /** Starts workers under the lowest free numbers, or asks those with the highest numbers to leave. */
  scale(count: number): void {
    this.wanted = count;
    for (let number = 0; this.workers.size < count; number++) {
      if (!this.workers.has(number) && !this.leaving.has(number)) this.add(number);
    }
    while (this.workers.size > count) this.dismiss(Math.max(...this.workers.keys()));
  }

  /** From here on no worker is started again. */
  release(): void {
    this.released = true;
    for (const worker of this.all()) worker.release();
  }

  /** Releases the workers and resolves when all have ended, by force once `patienceMs` have passed. */
  async stop(patienceMs: number): Promise<void> {
    this.release();
    await Promise.all(this.all().map((worker) => worker.stop(patienceMs)));
  }

  private all(): Worker[] {
    return [...this.workers.values(), ...this.leaving.values()];
  }

  private add(number: number): void {
    const { nats, nowMs } = this.parts;
    const name = `worker-${number}`;
    const worker: Worker = new SupervisedProcess(this.start(name), {
      rules: WORKER_RULES,
      startAgain: async (signal) => {
        await nats.there(signal);
        signal.throwIfAborted();
        return this.start(name);
      },
      onEnd: async (process, end, startedMs) => {
        await this.tellEnd(process, end);
        if (this.leaving.get(number) === worker) this.sayUnlessInOrder(name, end);
        return nats.statusToJudge(end, startedMs);
      },
      onDecision: (end, decision) => this.sayEnd(name, end, decisionWords(decision)),
      nowMs,
    });
    this.workers.set(number, worker);
    void worker.over.then(() => {
      for (const map of [this.workers, this.leaving]) if (map.get(number) === worker) map.delete(number);
    });
  }

  private start(name: string): ClusterProcess {
    // Cores that would stand idle otherwise; an engine takes them only where the result stays the same.
    const engineThreads = Math.max(1, Math.floor(this.parts.cores / this.wanted));
    return this.parts.startWorker(name, engineThreads);
  }

  private dismiss(number: number): void {
    const worker = this.workers.get(number);
    if (worker === undefined) return;
    this.workers.delete(number);
    this.leaving.set(number, worker);
    worker.release();
    worker.current?.signal('SIGTERM');
  }

  /** Tells the coordinator at once what it would otherwise learn from a silence. */
  private async tellEnd(process: ClusterProcess | null, end: ProcessEnd): Promise<void> {
    const { bus, nats } = this.parts;
    const pid = process?.pid;
    if (pid === undefined || this.released) return;
    // What is published while NATS is away is lost.
    void nats.there().then(() => {
      if (!this.released) bus.up('exited', 'launcher', { hostname: hostname(), pid, reason: end.words });
    });
    // By then the run's last word has come, if that is why the worker ended.
    await nats.caughtUp();
  }

  private sayUnlessInOrder(name: string, end: ProcessEnd): void {
    if (end.status !== 0 && end.signal !== 'SIGTERM') this.sayEnd(name, end, '');
  }

  private sayEnd(name: string, end: ProcessEnd, next: string): void {
    if (!this.released) this.parts.say(`${name} ended: ${end.words}${next} (log: ${this.parts.logOf(name)})`);
  }
}
