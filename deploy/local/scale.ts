import { OperationalError, UsageError } from '../../proto/index.js';
import { Bus } from '../../proto/runtime/bus.js';
import { scaleWords, workersWords } from '../terminal/index.js';
import { findCluster } from './cluster-file.js';

export interface ScaleOptions {
  readonly workers: number;
  /** The folder of the run; undefined for the newest cluster in runs/. */
  readonly out: string | undefined;
}

/**
 * Changes the number of workers of a local cluster that runs, and says how it changed in one line. Throws UsageError
 * when no cluster runs, OperationalError when the one that does is ending.
 */
export async function scale(options: ScaleOptions, say: (text: string) => void): Promise<void> {
  const access = findCluster(options.out);
  let bus: Bus | null = null;
  let answer: Awaited<ReturnType<Bus['scale']>>;
  try {
    bus = await Bus.connect({
      url: access.natsUrl,
      credentialsFile: access.natsCredentialsFile ?? undefined,
      cluster: access.cluster,
      name: 'gan-cluster scale',
    });
    answer = await bus.scale({ workers: options.workers });
  } catch (error) {
    throw new UsageError(
      `run ${access.runId} does not answer (launcher: process ${access.launcherPid}): it is ending, or was killed`,
      { cause: error },
    );
  } finally {
    await bus?.close();
  }
  const { before, workers, shards } = answer;
  if (workers !== options.workers)
    throw new OperationalError(
      'run-failed',
      `run ${access.runId} has ${workersWords(workers)}: it is ending, or its output says more`,
    );
  say(scaleWords(before, workers, shards));
}
