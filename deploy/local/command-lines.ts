import type { RunFolder } from './run-folder.js';
import type { TrainOptions } from './train-options.js';

export interface NatsAccess {
  readonly url: string;
  readonly credentialsFile: string | undefined;
}

/** What the processes of a local cluster are told. */
export interface ClusterSettings {
  readonly options: TrainOptions;
  readonly folder: RunFolder;
  /** The data source that was found, which need not be the one of the options. */
  readonly data: string;
  /** The engine that was chosen for all. */
  readonly engine: string;
  readonly workers: number;
  readonly nats: NatsAccess;
  /** The same when the coordinator is started again, so that pages find it. */
  readonly httpPort: number;
}

const given = (flag: string, value: string | number | undefined): string[] =>
  value === undefined ? [] : [flag, String(value)];

function sharedArguments({ options, folder, nats }: ClusterSettings): string[] {
  return [
    '--nats-url', nats.url,
    ...given('--nats-creds-file', nats.credentialsFile),
    '--cluster', folder.runId,
    '--log-level', options.logLevel,
  ]; // prettier-ignore
}

export function coordinatorArguments(settings: ClusterSettings): readonly string[] {
  const { options, folder } = settings;
  const { length } = options;
  return [
    'coordinator',
    ...sharedArguments(settings),
    '--run-id', folder.runId,
    '--out', folder.path,
    '--data', settings.data,
    '--workers', String(settings.workers),
    '--prefetch', String(options.prefetch),
    '--checkpoint-every-s', String(options.checkpointEveryS),
    '--wait-workers-s', String(options.waitWorkersS),
    ...given('--sample-every', options.sampleEverySteps ?? undefined),
    ...(options.networks.includes('discriminator') ? ['--discriminator'] : []),
    '--http-host', options.httpHost,
    '--http-port', String(settings.httpPort),
    ...given('--http-allowed-hosts', options.httpAllowedHosts.join(',') || undefined),
    ...given('--seed', options.seed),
    ...given('--recipe', options.recipe),
    ...given('--shards', options.shards),
    ...given('--shard-batch', options.shardBatch),
    ...given('--engine', options.resume ? undefined : settings.engine),
    ...given('--epochs', length !== null && 'epochs' in length ? length.epochs : undefined),
    ...given('--steps', length !== null && 'steps' in length ? length.steps : undefined),
    ...(options.resume ? ['--resume'] : []),
    '--refusal-ends-run',
  ]; // prettier-ignore
}

export function workerArguments(
  settings: ClusterSettings,
  name: string,
  engineThreads: number,
): readonly string[] {
  return [
    'worker',
    ...sharedArguments(settings),
    '--worker-id', name,
    '--engine', settings.engine,
    '--engine-threads', String(engineThreads),
  ]; // prettier-ignore
}
