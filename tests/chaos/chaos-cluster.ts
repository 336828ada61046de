import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Fault } from '../../proto/runtime/fault-injection.js';
import { ChaosProcess, type ProcessExit } from './chaos-process.js';
import { FaultRecord } from './fault-record.js';
import { NatsHost } from './nats-host.js';
import type { NatsProxy } from './nats-proxy.js';
import { lasting, Pulse } from './pulse.js';
import { RunWatch } from './run-watch.js';
import { SEED, SHARDS, SHARD_BATCH, type Shape } from './shapes.js';
import { readLog, readLogs, timeline, type LogLine } from './timeline.js';

const CLUSTER = 'chaos';
const RUN_ID = 'run';
/** For a process to come up on a machine that others use too. */
export const COME_UP_MS = 60_000;
const END_WITHIN_MS = 10_000;
const SHOWN_LINES = 160;
const FOREVER_MS = 600_000;
/** After NATS has gone, for a process that was just coming up. */
const EXCUSED_MS = 10_000;

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

/** A place for a process: who takes it and whether it is started again when it dies. */
interface Seat {
  readonly name: string;
  readonly role: 'coordinator' | 'worker';
  readonly lives: ChaosProcess[];
  restarts: boolean;
  /** Coordinators that are started again after everything was gone are told to go on. */
  resume: boolean;
  proxy: NatsProxy | undefined;
}

/** An end that a process should not have come to by itself. */
export interface Surprise {
  readonly name: string;
  readonly exit: ProcessExit;
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
  /** Workers that ended with an error, or coordinators. */
  readonly surprises: Surprise[] = [];
  readonly logFolder = join(this.folder, 'logs');
  private readonly seats = new Map<string, Seat>();
  private watched: RunWatch | null = null;
  private host: NatsHost | null = null;
  private natsGoneMs = -Infinity;
  private stopping = false;

  private constructor(private readonly options: ClusterOptions) {
    mkdirSync(this.logFolder);
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

  /** The present life of a process. */
  process(name: string): ChaosProcess {
    const life = this.seat(name).lives.at(-1);
    if (life === undefined) throw new Error(`${name} was never started`);
    return life;
  }

  proxy(name: string): NatsProxy {
    const { proxy } = this.seat(name);
    if (proxy === undefined) throw new Error(`${name} has no proxy`);
    return proxy;
  }

  get logLines(): LogLine[] {
    return readLogs(this.logFolder);
  }

  /** Names of the workers whose processes live. */
  get workers(): string[] {
    return [...this.seats.values()]
      .filter(({ role, lives }) => role === 'worker' && lives.at(-1)?.exit === null)
      .map(({ name }) => name);
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

  /** Starts a process in a new seat, or again in its own. */
  async startWorker(name: string): Promise<ChaosProcess> {
    return this.spawn(await this.seatFor(name, 'worker'));
  }

  /** Whether the process is started again when it dies. */
  supervise(name: string, restarts: boolean): void {
    this.seat(name).restarts = restarts;
  }

  /** Takes a seat again whose process has ended; NATS has to be there. */
  startAgain(name: string): ChaosProcess {
    const seat = this.seat(name);
    seat.restarts = true;
    return this.spawn(seat);
  }

  /** A second process of the same name, while the first one still lives. Returns the first. */
  startBeside(name: string): ChaosProcess {
    const first = this.process(name);
    this.spawn(this.seat(name));
    return first;
  }

  /** The same as soon as that is possible, unless somebody was quicker. */
  comeBack(name: string): void {
    const seat = this.seat(name);
    seat.restarts = true;
    this.revive(seat);
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
    const seats = [...this.seats.values()].filter(({ lives }) => lives.at(-1)?.exit === null);
    for (const seat of seats) seat.restarts = false;
    const natsGone = this.takeNatsAway('kill');
    for (const { name } of seats) this.signal(name, 'SIGKILL');
    await natsGone;
    await Promise.all(seats.map(({ name }) => this.exitOf(this.process(name))));
  }

  /** Starts all that had seats again, the coordinators with --resume. */
  async resumeEverything(): Promise<void> {
    await this.nats.startAgain();
    for (const seat of this.seats.values()) {
      seat.resume = true;
      this.comeBack(seat.name);
    }
    this.pulse.beat();
  }

  /** All processes stand still for so long, NATS too, as on a machine that is suspended. */
  async suspendEverything(ms: number): Promise<void> {
    const lives = [...this.seats.keys()].map((name) => this.process(name));
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
    this.natsGoneMs = Date.now();
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
    const wanted = this.options.endsWith ?? 0;
    const leads = [...this.seats.values()].filter(({ role }) => role === 'coordinator');
    const lives = (): ChaosProcess[] => leads.flatMap(({ lives: [...all] }) => all.slice(-1));
    await this.until(
      () => lives().some(({ exit }) => exit?.status === wanted),
      'the end of the run',
      deadlineMs,
    );
    // Who stands by ends with it; one that was just started again would begin to look for workers.
    const standBy = lives().filter(({ logFile }) =>
      readLog(logFile).some(({ text }) => text.includes('this one stands by')),
    );
    await this.until(
      () => standBy.every(({ exit }) => exit?.status === wanted || exit?.signal === 'SIGKILL'),
      'the end of the coordinators that stand by',
      END_WITHIN_MS,
    );
    this.stopping = true;
    const informed = [...this.seats.values()].flatMap(({ role, lives }) => {
      const life = lives.at(-1);
      if (role !== 'worker' || life === undefined || life.exit !== null) return [];
      const hello = this.watch.hellos.find(({ pid }) => pid === life.pid);
      return hello !== undefined && this.watch.welcomed.has(hello.workerId) ? [life] : [];
    });
    const ends = informed.map((life) =>
      this.exitOf(life, END_WITHIN_MS).then(
        () => [],
        () => [life.name],
      ),
    );
    return (await Promise.all(ends)).flat();
  }

  /** Ends what still runs; keeps the folder when the test failed. */
  async close(keepFolder: boolean): Promise<void> {
    this.stopping = true;
    for (const { lives } of this.seats.values()) for (const life of lives) life.signal('SIGKILL');
    for (const { lives } of this.seats.values())
      for (const life of lives) await this.until(() => life.exit, 'end', 10_000).catch(() => undefined);
    await this.watched?.close().catch(() => undefined);
    for (const { proxy } of this.seats.values()) await proxy?.close();
    await this.host?.stop();
    this.record.close();
    if (!keepFolder) rmSync(this.folder, { recursive: true, force: true });
  }

  /** Ends all and makes an error that shows what happened. */
  async failed(error: unknown): Promise<Error> {
    const shown = timeline([...this.logLines, ...this.ownLines()], this.startedMs, SHOWN_LINES);
    await this.close(true);
    const message = error instanceof Error ? error.message : String(error);
    const failure = new Error(`${message}\n\n${shown}\n\nLogs: ${this.logFolder}`);
    if (error instanceof Error && error.stack !== undefined)
      failure.stack = `${failure.message}\n${error.stack.split('\n').slice(1).join('\n')}`;
    return failure;
  }

  /** What the test knows beside the logs. */
  private ownLines(): LogLine[] {
    const line = (atMs: number, text: string): LogLine => ({
      atMs,
      from: 'test',
      level: 30,
      text,
      fields: {},
    });
    const starts = this.watched?.starts ?? [];
    return [
      ...this.record
        .read()
        .map((fired) => line(fired.atMs, `FAULT ${fired.id} in ${fired.who} at ${fired.update}`)),
      ...starts.map((start) =>
        line(start.atMs, `start of ring epoch ${start.ringEpoch} from ${start.nextUpdate}`),
      ),
      ...[...this.seats.values()].flatMap(({ lives }) =>
        lives.flatMap(({ name, startedMs, pid, exit }) => [
          line(startedMs, `${name} is process ${pid}`),
          ...(exit === null
            ? []
            : [line(exit.atMs, `${name} ended: ${exit.signal ?? `status ${exit.status}`}`)]),
        ]),
      ),
      line(
        Date.now(),
        `now at ${JSON.stringify(this.watched?.progress)} ${JSON.stringify(this.watched?.status)}`,
      ),
    ];
  }

  private async begin(): Promise<void> {
    const { workers, coordinators = 1, startNats = (folder) => NatsHost.start(folder) } = this.options;
    this.host = await startNats(join(this.folder, 'nats'));
    const { url, credentialsFile } = this.host;
    this.watched = await RunWatch.connect(url, credentialsFile, CLUSTER, this.pulse);
    for (let i = 0; i < coordinators; i++) this.spawn(await this.seatFor(`coordinator-${i}`, 'coordinator'));
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

  private seat(name: string): Seat {
    const seat = this.seats.get(name);
    if (seat === undefined) throw new Error(`there is no ${name}`);
    return seat;
  }

  private async seatFor(name: string, role: Seat['role']): Promise<Seat> {
    const known = this.seats.get(name);
    if (known !== undefined) return known;
    const proxy = await this.options.proxyOf?.(name, this.nats);
    const seat: Seat = { name, role, lives: [], restarts: true, resume: false, proxy };
    this.seats.set(name, seat);
    return seat;
  }

  private spawn(seat: Seat): ChaosProcess {
    const { name, role, lives } = seat;
    const url = seat.proxy?.url ?? this.nats.url;
    const common = ['--nats-url', url, '--nats-creds-file', this.nats.credentialsFile, '--cluster', CLUSTER];
    const args = role === 'worker' ? workerArguments(name) : this.coordinatorArguments(seat);
    const environment = {
      GAN_FAULTS: JSON.stringify(this.options.faults ?? []),
      GAN_FAULTS_FIRED: this.record.path,
    };
    const logFile = join(this.logFolder, `${name}.${lives.length}.log`);
    const life = new ChaosProcess(name, [...args, ...common], environment, logFile, (ended, exit) =>
      this.onExit(seat, ended, exit),
    );
    lives.push(life);
    return life;
  }

  private coordinatorArguments({ resume }: Seat): string[] {
    const { shape, workers, checkpointEveryS = 30, waitWorkersS = 60 } = this.options;
    const flags = {
      '--run-id': RUN_ID,
      '--out': this.out,
      '--data': 'synthetic',
      '--engine': 'onnx-cpu',
      '--shards': SHARDS,
      '--shard-batch': SHARD_BATCH,
      '--seed': SEED,
      '--steps': shape.steps,
      '--workers': Math.max(1, workers),
      '--checkpoint-every-s': checkpointEveryS,
      '--wait-workers-s': waitWorkersS,
    };
    const words = Object.entries(flags).flatMap(([flag, value]) => [flag, String(value)]);
    return ['coordinator', ...words, ...(resume ? ['--resume'] : [])];
  }

  private onExit(seat: Seat, life: ChaosProcess, exit: ProcessExit): void {
    const { name, role } = seat;
    const { status } = exit;
    const wanted = this.options.endsWith ?? 0;
    if (!this.stopping && status !== wanted) {
      // Who finds no NATS when it starts ends with an error, and is started again.
      const excused = status === null || life.startedMs <= this.natsGoneMs + EXCUSED_MS;
      if (role === 'worker' && status !== null && status !== 0 && wanted === 0)
        this.surprises.push({ name, exit });
      if (role === 'coordinator' && !excused)
        this.pulse.alarm(new Error(`${name} ended with exit status ${status}`));
      else if (seat.restarts && status !== 0 && seat.lives.at(-1) === life) this.revive(seat);
    }
    this.pulse.beat();
  }

  /** Starts a process whose last life has ended again, once there is a NATS to go to. */
  private revive(seat: Seat): void {
    const life = seat.lives.at(-1);
    const canStart = (): boolean => this.stopping || (this.nats.isUp && life?.exit !== null);
    void this.until(canStart, 'NATS', FOREVER_MS).then(
      () => {
        const wanted = seat.restarts && this.watch.ended === null && !this.stopping;
        if (wanted && seat.lives.at(-1) === life) this.spawn(seat);
      },
      () => undefined, // the alarm is told to whoever waits for the run
    );
  }
}

const workerArguments = (name: string): string[] => ['worker', '--worker-id', name, '--engine', 'onnx-cpu'];
