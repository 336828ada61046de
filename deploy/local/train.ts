import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import {
  DEFAULT_LENGTH,
  compareWithRecord,
  draftSpec,
  openDataset,
  stepsOf,
} from '../../coordinator/index.js';
import { INTERRUPTED, OperationalError, invariant } from '../../proto/index.js';
import { Bus } from '../../proto/runtime/bus.js';
import { cacheFolder } from '../../proto/runtime/cache-folder.js';
import { chooseEngine, probeEngines, requireWasmSimd } from '../../worker/index.js';
import { findNatsServer } from '../nats-server/index.js';
import { grouped, workersWords, type ProgressView } from '../terminal/index.js';
import { ClusterProcess, ganCluster } from './child.js';
import { removeClusterFile, writeClusterFile } from './cluster-file.js';
import { coordinatorArguments, workerArguments, type ClusterSettings } from './command-lines.js';
import { pageUrl, reserveHttpPort } from './http-port.js';
import { tellEnd } from './last-words.js';
import { LocalCluster, type LocalClusterParts } from './local-cluster.js';
import { NatsKeeper } from './nats-keeper.js';
import { RunFolder } from './run-folder.js';
import type { TrainOptions } from './train-options.js';
import { workerCount } from './worker-count.js';

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
    return INTERRUPTED;
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
  const probes = await probeEngines(process.env);
  const choice = chooseEngine(probes, options.engine ?? recorded?.engine ?? 'auto');
  const probe = probes.find(({ name }) => name === choice.name);
  invariant(probe !== undefined, 'an engine that was chosen was looked for');
  const workers = workerCount(options.workers, probe);
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
  if (workers > shards) {
    const spares = workers - shards;
    view.say(
      `${workers} workers for ${shards} shards: ${spares} will be spare${spares === 1 ? '' : 's'} (more --shards give them work)`,
    );
  }

  const say = (text: string): void => view.say(text);
  const binary =
    options.natsUrl === undefined
      ? await findNatsServer({
          environment: process.env,
          cacheFolder: cache,
          onProgress: say,
          signal: interrupt,
        })
      : null;
  interrupt.throwIfAborted();
  const httpPort = await reserveHttpPort(options.httpHost, options.httpPort);
  folder.create();
  let nats: NatsKeeper | null = null;
  try {
    if (binary !== null)
      nats = await NatsKeeper.start({
        binary: binary.path,
        storeFolder: folder.natsFolder,
        signal: interrupt,
        say,
        log: told(join(folder.natsFolder, 'nats-server.log')),
      });
    const access = nats ?? {
      url: options.natsUrl ?? '',
      credentialsFile: options.natsCredsFile && resolve(options.natsCredsFile),
    };
    const plan = {
      options,
      folder,
      data: data.source,
      engine: choice.name,
      workers,
      nats: access,
      httpPort,
      shards,
      steps,
    };
    return await runCluster(plan, nats?.over, view, interrupt, kill);
  } finally {
    view.close();
    await nats?.stop();
    folder.discardIfEmpty();
  }
}

/** A path as the user is told. */
const told = (path: string): string => relative(process.cwd(), path) || '.';

interface RunPlan extends ClusterSettings {
  readonly shards: number;
  readonly steps: number;
}

/** @param natsOver resolves when NATS is down for good; undefined when it is not ours */
async function runCluster(
  plan: RunPlan,
  natsOver: LocalClusterParts['natsOver'],
  view: ProgressView,
  interrupt: AbortSignal,
  kill: AbortSignal,
): Promise<number> {
  const { options, folder, nats, workers, shards, steps } = plan;
  const { runId, path } = folder;
  const out = told(path);
  const bus = await Bus.connect({ ...nats, cluster: runId, name: 'gan-cluster launcher' });
  let cluster: LocalCluster | null = null;
  try {
    interrupt.throwIfAborted();
    const start = (name: string, args: readonly string[]): ClusterProcess =>
      ClusterProcess.start(name, ganCluster(args), folder.logFile(name));
    cluster = await LocalCluster.start({
      bus,
      view,
      workers,
      shards,
      cores: availableParallelism(),
      startCoordinator: () => start('coordinator', coordinatorArguments(plan)),
      startWorker: (name, engineThreads) => start(name, workerArguments(plan, name, engineThreads)),
      natsOver,
      logOf: (name) => told(folder.logFile(name)),
    });
    const access = {
      runId,
      cluster: runId,
      natsUrl: nats.url,
      natsCredentialsFile: nats.credentialsFile ?? null,
    };
    await writeClusterFile(path, { ...access, launcherPid: process.pid, startedMs: Date.now(), shards });
    view.say(`run ${runId}: ${grouped(steps)} steps with ${workersWords(workers)}, results in ${out}`);
    view.say(`live page: ${pageUrl(options.httpHost, plan.httpPort)}`);
    const end = await cluster.run(interrupt, kill);
    view.close();
    return tellEnd(end, cluster.lastStatus?.step ?? 0, out, view);
  } finally {
    await cluster?.close();
    await bus.close();
    await removeClusterFile(path);
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
