import { availableParallelism } from 'node:os';
import { relative, join } from 'node:path';
import {
  DEFAULT_LENGTH,
  compareWithRecord,
  draftSpec,
  openDataset,
  stepsOf,
  type Length,
  type SpecRequest,
} from '../../coordinator/index.js';
import { OperationalError, UsageError, messageOf, type OutMessage } from '../../proto/index.js';
import { Bus } from '../../proto/runtime/bus.js';
import { cacheFolder } from '../../proto/runtime/cache-folder.js';
import { chooseEngine, probeEngines, requireWasmSimd } from '../../worker/index.js';
import { findNatsServer, startNatsServer, type RunningNatsServer } from '../nats-server/index.js';
import { grouped, type ProgressView } from '../terminal/index.js';
import { ClusterProcess } from './child.js';
import { RunFolder } from './run-folder.js';

export interface TrainOptions extends SpecRequest {
  readonly data: string;
  /** The user named the data source: then another is never taken in its place. */
  readonly dataNamed: boolean;
  readonly length: Length | null;
  readonly workers: number;
  readonly prefetch: number;
  readonly checkpointEveryS: number;
  readonly waitWorkersS: number;
  readonly out: string | undefined;
  readonly resume: boolean;
  readonly natsUrl: string | undefined;
  readonly natsCredsFile: string | undefined;
  readonly logLevel: string;
}

/** How long the processes get to end in order. */
const PATIENCE_MS = 5_000;

interface NatsAccess {
  readonly url: string;
  readonly credentialsFile: string | undefined;
}

/**
 * Trains with a whole cluster on this machine: nats-server, a coordinator and workers, each a process of its own.
 * Everything that can be wrong with the request is found before anything is made.
 * @param interrupt aborted by the first Ctrl-C: a last checkpoint, then the end
 * @param kill aborted by the second: the end at once
 * @returns the exit status
 */
export async function train(
  options: TrainOptions,
  view: ProgressView,
  interrupt: AbortSignal,
  kill: AbortSignal,
): Promise<number> {
  try {
    return await prepareAndTrain(options, view, interrupt, kill);
  } catch (error) {
    // What was under way when Ctrl-C came has given up for that reason; a run that failed, or a bug, says its own.
    const gaveUp =
      error instanceof OperationalError
        ? error.code !== 'run-failed'
        : (error as Error).name === 'AbortError';
    if (!interrupt.aborted || !gaveUp) throw error;
    view.say('Stopped before the first step.');
    return 130;
  }
}

async function prepareAndTrain(
  options: TrainOptions,
  view: ProgressView,
  interrupt: AbortSignal,
  kill: AbortSignal,
): Promise<number> {
  requireWasmSimd();
  const folder = RunFolder.find(options.out, options.resume, new Date());
  const recorded = folder.record?.spec;
  const cache = cacheFolder(process.env);
  const choice = chooseEngine(await probeEngines(process.env), options.engine ?? recorded?.engine ?? 'auto');
  view.say(`engine: ${choice.name} (${choice.reason})`);

  const data = await resolveData(options, recorded?.dataset.name, cache, view, interrupt);
  const { dataset } = data;
  let steps: number;
  if (recorded === undefined) {
    steps = stepsOf(options.length ?? DEFAULT_LENGTH, draftSpec(options, dataset));
  } else {
    compareWithRecord(recorded, options, dataset);
    steps = options.length === null ? (folder.record?.stepsPlanned ?? 0) : stepsOf(options.length, recorded);
  }
  const shards = options.shards ?? recorded?.shards ?? 4;
  view.say(`data: ${dataset.name}, ${grouped(dataset.count)} images`);
  if (options.workers > shards) {
    const spares = options.workers - shards;
    view.say(
      `${options.workers} workers for ${shards} shards: ${spares} will be spare${spares === 1 ? '' : 's'} (more --shards give them work)`,
    );
  }

  const binary =
    options.natsUrl === undefined
      ? await findNatsServer({
          environment: process.env,
          cacheFolder: cache,
          onProgress: (line) => view.say(line),
          signal: interrupt,
        })
      : null;
  interrupt.throwIfAborted();
  folder.create();
  let nats: RunningNatsServer | null = null;
  let cluster: LocalCluster | null = null;
  try {
    if (binary !== null)
      nats = await startNatsServer({
        binary: binary.path,
        storeFolder: folder.natsFolder,
        signal: interrupt,
      });
    const access: NatsAccess = nats ?? { url: options.natsUrl ?? '', credentialsFile: options.natsCredsFile };
    cluster = await LocalCluster.start(options, folder, data.source, choice.name, access, view);
    const out = relative(process.cwd(), folder.path) || '.';
    view.say(
      `run ${folder.runId}: ${grouped(steps)} steps with ${options.workers} worker${options.workers === 1 ? '' : 's'}, results in ${out}`,
    );
    return await cluster.run(interrupt, kill, out);
  } finally {
    view.close();
    await cluster?.close();
    await nats?.stop();
    folder.discardIfEmpty();
  }
}

/** Opens the dataset; where MNIST cannot be had and nobody asked for it by name, drawn digits take its place. */
async function resolveData(
  options: TrainOptions,
  recordedName: string | undefined,
  cache: string,
  view: ProgressView,
  signal: AbortSignal,
): Promise<{ source: string; dataset: Awaited<ReturnType<typeof openDataset>> }> {
  const open = (source: string): ReturnType<typeof openDataset> =>
    openDataset(source, { seed: 1, cacheFolder: cache, signal, onProgress: (line) => view.say(line) });
  const source =
    !options.dataNamed && recordedName?.startsWith('synthetic') === true ? 'synthetic' : options.data;
  try {
    return { source, dataset: await open(source) };
  } catch (error) {
    const replaceable =
      error instanceof OperationalError &&
      error.code === 'dataset' &&
      source === 'mnist' &&
      !options.dataNamed;
    if (!replaceable || options.resume) throw error;
    view.say(`${error.message}`);
    view.say(
      'Training on synthetic digits instead (drawn by this program, not MNIST). For MNIST, name a folder of its IDX files by --data.',
    );
    return { source: 'synthetic', dataset: await open('synthetic') };
  }
}

class LocalCluster {
  private lastStatus: OutMessage<'status'> | null = null;
  private ended: OutMessage<'ended'> | null = null;
  private stopping = false;

  private constructor(
    private readonly folder: RunFolder,
    private readonly view: ProgressView,
    private readonly bus: Bus,
    private readonly coordinator: ClusterProcess,
    private readonly workers: readonly ClusterProcess[],
  ) {}

  static async start(
    options: TrainOptions,
    folder: RunFolder,
    data: string,
    engine: string,
    access: NatsAccess,
    view: ProgressView,
  ): Promise<LocalCluster> {
    const cluster = folder.runId;
    const bus = await Bus.connect({ ...access, cluster, name: 'gan-cluster launcher' });
    const given = (flag: string, value: string | number | undefined): string[] =>
      value === undefined ? [] : [flag, String(value)];
    const shared = [
      '--nats-url', access.url,
      ...given('--nats-creds-file', access.credentialsFile),
      '--cluster', cluster,
      '--log-level', options.logLevel,
    ]; // prettier-ignore
    const start = (name: string, args: readonly string[]): ClusterProcess =>
      ClusterProcess.start(name, args, join(folder.logFolder, `${name}.log`));
    const { length } = options;
    // Cores that would stand idle otherwise; an engine takes them only where the result stays the same.
    const engineThreads = String(Math.max(1, Math.floor(availableParallelism() / options.workers)));
    const coordinator = start('coordinator', [
      'coordinator',
      ...shared,
      '--run-id', folder.runId,
      '--out', folder.path,
      '--data', data,
      '--workers', String(options.workers),
      '--prefetch', String(options.prefetch),
      '--checkpoint-every-s', String(options.checkpointEveryS),
      '--wait-workers-s', String(options.waitWorkersS),
      ...given('--seed', options.seed),
      ...given('--recipe', options.recipe),
      ...given('--shards', options.shards),
      ...given('--shard-batch', options.shardBatch),
      ...given('--engine', options.resume ? undefined : engine),
      ...given('--epochs', length !== null && 'epochs' in length ? length.epochs : undefined),
      ...given('--steps', length !== null && 'steps' in length ? length.steps : undefined),
      ...(options.resume ? ['--resume'] : []),
      '--refusal-ends-run',
    ]); // prettier-ignore
    const workers = Array.from({ length: options.workers }, (_, i) =>
      start(`worker-${i}`, [
        'worker',
        ...shared,
        ...['--worker-id', `worker-${i}`, '--engine', engine, '--engine-threads', engineThreads],
      ]),
    );
    return new LocalCluster(folder, view, bus, coordinator, workers);
  }

  /** Follows the run to its end. */
  async run(interrupt: AbortSignal, kill: AbortSignal, out: string): Promise<number> {
    const { bus, view, coordinator, workers } = this;
    bus.onOut('status', (status) => {
      this.lastStatus = status;
      view.status(status);
    });
    bus.onOut('event', (event) => view.event(event));
    bus.onOut('ended', (ended) => (this.ended = ended));
    const onInterrupt = (): void => {
      this.stopping = true;
      view.say('Stopping after a last checkpoint (Ctrl-C again ends at once) ...');
      coordinator.signal('SIGTERM');
    };
    const onKill = (): void => {
      for (const child of [coordinator, ...workers]) child.signal('SIGKILL');
    };
    if (interrupt.aborted) onInterrupt();
    interrupt.addEventListener('abort', onInterrupt);
    kill.addEventListener('abort', onKill);
    for (const worker of workers)
      void worker.exited.then((exit) => this.onWorkerExit(worker, exit.words), this.onSpawnError);
    const exit = await coordinator.exited;
    await bus.flush(); // what the coordinator said last has come
    view.close();
    if (kill.aborted) {
      view.say('Ended at once.');
      return 130;
    }
    return this.lastWord(exit.status ?? 1, exit.words, out);
  }

  private readonly onSpawnError = (error: unknown): void => {
    this.view.say(`error: a worker could not be started: ${messageOf(error)}`);
    this.coordinator.signal('SIGTERM');
  };

  /** Tells the coordinator at once what it would otherwise learn from a silence. */
  private onWorkerExit(worker: ClusterProcess, words: string): void {
    if (this.ended !== null || this.coordinator.exit !== null || this.stopping) return;
    this.bus.up('goodbye', worker.name, { workerId: worker.name, reason: words });
    this.view.say(
      `${worker.name} ended: ${words} (log: ${join(this.folder.logFolder, `${worker.name}.log`)})`,
    );
  }

  private lastWord(status: number, words: string, out: string): number {
    const { ended, view, lastStatus } = this;
    if (ended === null) {
      throw new OperationalError(
        'run-failed',
        `the coordinator ended without a word (${words}): see ${join(out, '.cluster', 'logs', 'coordinator.log')}`,
      );
    }
    if (ended.outcome === 'failed') {
      throw ended.exitStatus === 2
        ? new UsageError(ended.message)
        : new OperationalError('run-failed', ended.message);
    }
    if (ended.outcome === 'interrupted') {
      view.say(`${ended.message}.`);
      if (lastStatus !== null && lastStatus.step > 0)
        view.say(`Go on with:  npm start -- --resume --out ${out}`);
      return status;
    }
    view.say(`${ended.message}.`);
    view.say(`  ${join(out, 'samples.png')}       digits from the finished generator`);
    view.say(
      `  ${join(out, 'generator.onnx')}    the generator, for ONNX Runtime; model.json + weights.bin for TensorFlow.js`,
    );
    view.say(`  ${join(out, 'history.csv')}       losses, a row a step`);
    view.say(`  ${join(out, 'run.json')}          the record of the run`);
    return status;
  }

  async close(): Promise<void> {
    this.stopping = true;
    const all = [this.coordinator, ...this.workers];
    if (this.coordinator.exit === null) for (const child of all) child.signal('SIGTERM');
    await Promise.all(all.map((child) => child.stop(PATIENCE_MS)));
    await this.bus.close();
  }
}
