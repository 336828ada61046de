import { OperationalError, messageOf, stepOf } from '../proto/index.js';
import { Bus } from '../proto/runtime/bus.js';
import type { Log } from '../proto/runtime/log.js';
import { Coordinator, type Ended } from './coordinator.js';
import { openDataset } from './dataset/index.js';
import { openRun, type Length, type SpecRequest } from './open-run.js';
import { ResultFolder } from './result-folder.js';
import { initialRunState } from './run-state.js';
import { RunStore } from './run-store.js';

/** The drawn digits are one dataset like MNIST, the same for every run. */
const SYNTHETIC_SEED = 1;

export interface CoordinatorOptions extends SpecRequest {
  readonly runId: string;
  readonly cluster: string;
  readonly natsUrl: string;
  readonly natsCredentialsFile: string | undefined;
  readonly data: string;
  readonly cacheFolder: string;
  readonly length: Length | null;
  readonly prefetch: number;
  readonly workers: number;
  readonly waitWorkersS: number;
  readonly checkpointEveryS: number;
  readonly out: string;
  readonly resume: boolean;
  readonly refusalEndsRun: boolean;
}

/** Runs one training from first hello to last file. `stop` ends it early, with a checkpoint. */
export async function runCoordinator(
  options: CoordinatorOptions,
  log: Log,
  stop: AbortSignal,
): Promise<Ended> {
  const bus = await Bus.connect({
    url: options.natsUrl,
    credentialsFile: options.natsCredentialsFile,
    cluster: options.cluster,
    name: 'gan-cluster coordinator',
    onInvalid: (error) => log.warn({ err: error }, 'message refused'),
  });
  try {
    const [dataset, store] = await Promise.all([
      openDataset(options.data, { seed: SYNTHETIC_SEED, cacheFolder: options.cacheFolder, signal: stop }),
      RunStore.open(bus.connection, options.runId),
    ]);
    const { spec, steps, checkpoint, history } = await openRun(
      store,
      options,
      options.length,
      dataset,
      options.resume,
    );
    if (checkpoint !== null && stepOf(checkpoint.update) === steps && options.resume) {
      log.info({ steps }, 'the run is complete: it is exported again');
    }
    const plan = {
      runId: options.runId,
      steps,
      prefetch: options.prefetch,
      expectedWorkers: options.workers,
      waitWorkersMs: options.waitWorkersS * 1000,
      checkpointEveryMs: options.checkpointEveryS * 1000,
      refusalEndsRun: options.refusalEndsRun,
    };
    const folder = new ResultFolder(options.out);
    folder.create();
    const state = initialRunState(plan, spec, checkpoint, performance.now());
    const coordinator = new Coordinator(state, {
      bus,
      store,
      dataset,
      folder,
      history,
      log,
      nowMs: () => performance.now(),
    });
    const onStop = (): void => coordinator.requestStop();
    stop.addEventListener('abort', onStop);
    if (stop.aborted) onStop();
    return await coordinator.ended;
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    const exitStatus = error.code === 'usage' || error.code === 'dataset' ? 2 : 1;
    const ended: Ended = { outcome: 'failed', exitStatus, message: messageOf(error) };
    bus.out('ended', { runId: options.runId, ...ended });
    return ended;
  } finally {
    await bus.close();
  }
}
