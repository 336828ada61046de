import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Fault } from '../../proto/runtime/fault-injection.js';
import type { ChaosProcess, ProcessExit } from './chaos-process.js';
import { CLUSTER, coordinatorArguments, workerArguments } from './command-lines.js';
import { FaultRecord } from './fault-record.js';
import { NatsHost } from './nats-host.js';
import type { NatsProxy } from './nats-proxy.js';
import { lasting, Pulse } from './pulse.js';
import { RunWatch } from './run-watch.js';
import { SHARDS, type Shape } from './shapes.js';
import { Supervisor, type Seat, type Surprise } from './supervisor.js';
import { testLines } from './test-lines.js';
import { readLog, readLogs, timeline, type LogLine } from './timeline.js';

/** For a process to come up on a machine that others use too. */
export const COME_UP_MS = 60_000;
const END_WITHIN_MS = 10_000;
const SHOWN_LINES = 160;

export interface ClusterOptions {
  readonly shape: Shape;
  /** Started at first; the first world waits for all of them. */
  readonly workers: number;
  /** One leads; a second one stands by. */
  readonly coordinators?: 1 | 2;
  readonly checkpointEveryS?: number;
  readonly waitWorkersS?: number;
  readonly faults?: readonly Fault[];
  /** Another NATS server than the ordinary one. */
  readonly startNats?: (storeFolder: string) => Promise<NatsHost>;
  /** Whose connections to NATS pass through a proxy, and which. */
  readonly proxyOf?: (name: string, nats: NatsHost) => Promise<NatsProxy> | undefined;
  /** The exit status that the run is to end with; 0 unless it is to fail. */
  readonly endsWith?: number;
}

/**
 * A whole cluster of real processes, whose supervisor is the test: it starts them, sends them signals, starts them again
 * when they die, and takes NATS away from them.
 */
export class ChaosCluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'gan-chaos-'));
  readonly out = join(this.folder, 'out');
  readonly startedMs = Date.now();
  readonly pulse = new Pulse();
  readonly record = new FaultRecord(join(this.folder, 'fired.jsonl'), this.pulse);
  readonly logFolder = join(this.folder, 'logs');
  private readonly supervisor: Supervisor;
  private watched: RunWatch | null = null;
  private host: NatsHost | null = null;
  private stopping = false;

  private constructor(private readonly options: ClusterOptions) {
    mkdirSync(this.logFolder);
    this.supervisor = new Supervisor({
      pulse: this.pulse,
      logFolder: this.logFolder,
      environment: {
        GAN_FAULTS: JSON.stringify(options.faults ?? []),
        GAN_FAULTS_FIRED: this.record.path,
      },
      nats: () => this.nats,
      argumentsOf: (seat) => this.argumentsOf(seat),
      isOver: () => this.stopping || this.watch.ended !== null,
      endsWith: this.endsWith,
    });
  }

  /** Resolves once all processes run; the workers have said hello in the order of their numbers, spares last. */
  static async start(options: ClusterOptions): Promise<ChaosCluster> {
    const cluster = new ChaosCluster(options);
    try {
      await cluster.begin();
    } catch (error) {
      throw await cluster.failed(error);
    }
    return cluster;
  }

  get watch(): RunWatch {
    if (this.watched === null) throw new Error('the cluster runs');
    return this.watched;
  }

  get nats(): NatsHost {
    if (this.host === null) throw new Error('the cluster runs');
    return this.host;
  }

  /** Workers that ended with an error. */
  get surprises(): readonly Surprise[] {
    return this.supervisor.surprises;
  }

  /** The newest life of a process. */
  process(name: string): ChaosProcess {
    const life = this.supervisor.seat(name).lives.at(-1);
    if (life === undefined) throw new Error(`${name} was never started`);
    return life;
  }

  proxy(name: string): NatsProxy {
    const { proxy } = this.supervisor.seat(name);
    if (proxy === undefined) throw new Error(`${name} has no proxy`);
    return proxy;
  }

  get logLines(): LogLine[] {
    return readLogs(this.logFolder);
  }

  // Waiting

  until<T>(look: () => T | undefined | null | false, what: string, deadlineMs = COME_UP_MS): Promise<T> {
    return this.pulse.until(look, what, deadlineMs);
  }

  /** Resolves when a report of the newest ring epoch says that `update` is the next one, or a later one. */
  reaches(update: number): Promise<unknown> {
    return this.until(() => this.watch.progress.nextUpdate >= update, `update ${update}`);
  }

  /** A ring epoch after `ringEpoch` that has applied something. */
  commitsAfter(ringEpoch: number): Promise<unknown> {
    return this.until(
      () =>
        this.watch.reports.some((report) => {
          if (report.ringEpoch <= ringEpoch) return false;
          const start = this.watch.starts.find((one) => one.ringEpoch === report.ringEpoch);
          return start !== undefined && report.nextUpdate > start.nextUpdate;
        }),
      `a commit in a ring epoch after ${ringEpoch}`,
    );
  }

  /** An event of the run whose text fits. */
  event(pattern: RegExp, sinceMs = 0): Promise<unknown> {
    return this.until(
      () => this.watch.events.find(({ text, atMs }) => atMs >= sinceMs && pattern.test(text)),
      `an event like ${String(pattern)}`,
    );
  }

  fired(id: string): Promise<{ readonly atMs: number; readonly pid: number }> {
    return this.until(() => this.record.find(id), `planned fault ${id}`);
  }

  exitOf(life: ChaosProcess, deadlineMs = COME_UP_MS): Promise<ProcessExit> {
    return this.until(() => life.exit, `the end of ${life.name} (process ${life.pid})`, deadlineMs);
  }

  // Doing

  /** Starts a worker in a new seat, or again in its own. */
  async startWorker(name: string): Promise<ChaosProcess> {
    await this.addSeat(name, 'worker');
    return this.supervisor.spawn(name);
  }

  /** Whether the process is started again when it dies. */
  supervise(name: string, restarts: boolean): void {
    this.supervisor.seat(name).restarts = restarts;
  }

  /** Takes a seat again whose process has ended; NATS has to be there. */
  startAgain(name: string): ChaosProcess {
    this.supervise(name, true);
    return this.supervisor.spawn(name);
  }

  /** The same as soon as that is possible, unless somebody was quicker. */
  comeBack(name: string): void {
    this.supervise(name, true);
    this.supervisor.revive(name);
  }

  /** A second process of the same name, while the first one still lives. Returns the first. */
  startBeside(name: string): ChaosProcess {
    const first = this.process(name);
    this.supervisor.spawn(name);
    return first;
  }

  signal(name: string, signal: NodeJS.Signals): number {
    this.process(name).signal(signal);
    return Date.now();
  }

  /** SIGKILL, and waits until the process is gone. Returns when the signal was sent. */
  async kill(name: string): Promise<number> {
    const life = this.process(name);
    const atMs = this.signal(name, 'SIGKILL');
    await this.exitOf(life);
    return atMs;
  }

  /** The coordinator that leads; the one that said so last. */
  get leader(): string {
    const leads = this.logLines.filter(
      ({ text, from }) => text === 'leads' && from.startsWith('coordinator'),
    );
    const newest = leads.sort((a, b) => a.atMs - b.atMs).at(-1);
    return newest?.from.split('.')[0] ?? 'coordinator-0';
  }

  /** A power cut: everything is gone at once, NATS too. */
  async killEverything(): Promise<void> {
    const lives = this.supervisor.lives.filter(({ exit }) => exit === null);
    for (const { name } of lives) this.supervise(name, false);
    const natsGone = this.takeNatsAway('kill');
    for (const life of lives) life.signal('SIGKILL');
    await natsGone;
    await Promise.all(lives.map((life) => this.exitOf(life)));
  }

  /** Starts all that had seats again, the coordinators with --resume. */
  async resumeEverything(): Promise<void> {
    for (const seat of this.supervisor.seats) {
      seat.resume = true;
      this.comeBack(seat.name);
    }
    await this.giveNatsBack();
  }

  /** All processes stand still for so long, NATS too, as on a machine that is suspended. */
  async suspendEverything(ms: number): Promise<void> {
    const { lives } = this.supervisor;
    this.nats.signal('SIGSTOP');
    for (const life of lives) life.signal('SIGSTOP');
    await lasting(ms);
    this.nats.signal('SIGCONT');
    for (const life of lives) life.signal('SIGCONT');
  }

  /** Takes NATS away for so long. */
  async natsAway(ms: number, how: 'stop' | 'kill'): Promise<void> {
    await this.takeNatsAway(how);
    await lasting(ms);
    await this.giveNatsBack();
  }

  takeNatsAway(how: 'stop' | 'kill'): Promise<void> {
    this.supervisor.expectNoNats();
    return this.nats[how]();
  }

  async giveNatsBack(): Promise<void> {
    await this.nats.startAgain();
    this.pulse.beat();
  }

  /**
   * Resolves once the run has ended and its processes are gone. Returns the workers that heard of the run and did not end
   * with it.
   */
  async runEnd(deadlineMs: number): Promise<string[]> {
    const { supervisor, endsWith } = this;
    const leads = (): ChaosProcess[] => supervisor.present('coordinator');
    await this.until(
      () => leads().some(({ exit }) => exit?.status === endsWith),
      'the end of the run',
      deadlineMs,
    );
    // Who stands by ends with it; one that was just started again would begin to look for workers.
    const standBy = leads().filter(({ logFile }) =>
      readLog(logFile).some(({ text }) => text.includes('this one stands by')),
    );
    await this.until(
      () => standBy.every(({ exit }) => exit?.status === endsWith || exit?.signal === 'SIGKILL'),
      'the end of the coordinators that stand by',
      END_WITHIN_MS,
    );
    this.stopping = true;
    const lingering = supervisor.present('worker').map(async (life) => {
      if (!this.wasWelcomed(life)) return [];
      return this.exitOf(life, END_WITHIN_MS).then(
        () => [],
        () => [life.name],
      );
    });
    return (await Promise.all(lingering)).flat();
  }

  private wasWelcomed({ pid }: ChaosProcess): boolean {
    const hello = this.watch.hellos.find((one) => one.pid === pid);
    return hello !== undefined && this.watch.welcomed.has(hello.workerId);
  }

  /** Ends what still runs; keeps the folder when the test failed. */
  async close(keepFolder: boolean): Promise<void> {
    this.stopping = true;
    const { lives, seats } = this.supervisor;
    for (const life of lives) life.signal('SIGKILL');
    for (const life of lives)
      await this.until(() => life.exit, 'its end', END_WITHIN_MS).catch(() => undefined); // an alarm was raised
    await this.watched?.close();
    for (const { proxy } of seats) await proxy?.close();
    await this.host?.stop();
    this.record.close();
    if (!keepFolder) rmSync(this.folder, { recursive: true, force: true });
  }

  /** Ends all and makes an error that shows what happened. */
  async failed(error: unknown): Promise<Error> {
    const ownLines = testLines(this.record, this.supervisor.lives, this.watched);
    const shown = timeline([...this.logLines, ...ownLines], this.startedMs, SHOWN_LINES);
    await this.close(true);
    const message = error instanceof Error ? error.message : String(error);
    const failure = new Error(`${message}\n\n${shown}\n\nLogs: ${this.logFolder}`);
    if (error instanceof Error && error.stack !== undefined)
      failure.stack = `${failure.message}\n${error.stack.split('\n').slice(1).join('\n')}`;
    return failure;
  }

  private get endsWith(): number {
    return this.options.endsWith ?? 0;
  }

  private async begin(): Promise<void> {
    const { workers, coordinators = 1, startNats = (folder) => NatsHost.start(folder) } = this.options;
    this.host = await startNats(join(this.folder, 'nats'));
    const { url, credentialsFile } = this.host;
    this.watched = await RunWatch.connect(url, credentialsFile, CLUSTER, this.pulse);
    for (let i = 0; i < coordinators; i++) {
      await this.addSeat(`coordinator-${i}`, 'coordinator');
      this.supervisor.spawn(`coordinator-${i}`);
    }
    // The world is in the order of the hellos: rank 0 is worker-0, and who is more than there are shards is the spare.
    const names = Array.from({ length: workers }, (_, i) => `worker-${i}`);
    for (const group of [names.slice(0, 1), names.slice(1, SHARDS), names.slice(SHARDS)])
      await this.startTogether(group);
  }

  private async startTogether(names: readonly string[]): Promise<void> {
    for (const name of names) await this.startWorker(name);
    await this.until(
      () => names.every((name) => this.watch.hellos.some((hello) => hello.name === name)),
      `hello of ${names.join(', ')}`,
    );
    await this.until(
      () => names.every((name) => [...this.watch.welcomed].some((id) => this.watch.nameOf(id) === name)),
      `welcome of ${names.join(', ')}`,
    );
  }

  private async addSeat(name: string, role: Seat['role']): Promise<void> {
    if (this.supervisor.has(name)) return;
    this.supervisor.add(name, role, await this.options.proxyOf?.(name, this.nats));
  }

  private argumentsOf({ name, role, proxy, resume }: Seat): string[] {
    const { shape, workers, checkpointEveryS, waitWorkersS } = this.options;
    const { out, nats } = this;
    const own =
      role === 'worker'
        ? workerArguments(name)
        : coordinatorArguments({ shape, out, workers, checkpointEveryS, waitWorkersS, resume });
    const url = proxy?.url ?? nats.url;
    return [...own, '--nats-url', url, '--nats-creds-file', nats.credentialsFile, '--cluster', CLUSTER];
  }
}
