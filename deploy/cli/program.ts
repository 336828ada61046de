import { Command } from 'commander';
import type { Length } from '../../coordinator/index.js';
import { INTERRUPTED, NETWORK_NAMES, UsageError, type NetworkName } from '../../proto/index.js';
import { addDoctor } from './checks.js';
import { options } from './options.js';
import { addEvaluate } from './evaluate.js';
import { addFetch } from './fetch.js';
import { addGenerate } from './generate.js';
import { addScale } from './scale.js';
import { addSetup } from './setup.js';
import { addWatch } from './watch.js';
import { stopSignals } from './stop-signals.js';

interface SpecFlags {
  readonly seed?: number;
  readonly recipe?: string;
  readonly shards?: number;
  readonly shardBatch?: number;
  readonly engine?: string;
  readonly epochs?: number;
  readonly steps?: number;
  readonly data: string;
  readonly out?: string;
  readonly resume?: boolean;
  readonly prefetch: number;
  readonly checkpointEveryS: number;
  readonly waitWorkersS: number;
  readonly sampleEvery?: number;
  readonly discriminator?: boolean;
  readonly httpHost: string;
  readonly httpPort: number;
  readonly httpAllowedHosts?: readonly string[];
  readonly natsUrl?: string;
  readonly natsCredsFile?: string;
  readonly logLevel: string;
}

interface TrainFlags extends SpecFlags {
  readonly workers?: number;
  readonly json?: boolean;
}

interface CoordinatorFlags extends SpecFlags {
  readonly tlsCaFile?: string;
  readonly natsReplicas?: number;
  readonly workers: number;
  readonly cluster: string;
  readonly runId?: string;
  readonly metricsPort: number;
  readonly refusalEndsRun?: boolean;
  readonly service?: boolean;
}

interface WorkerFlags {
  readonly natsUrl?: string;
  readonly natsCredsFile?: string;
  readonly tlsCaFile?: string;
  readonly ringCertFile?: string;
  readonly ringKeyFile?: string;
  readonly cluster: string;
  readonly workerId?: string;
  readonly advertiseHost: string;
  readonly ringPort: number;
  readonly httpHost: string;
  readonly metricsPort: number;
  readonly engineThreads: number;
  readonly engine?: string;
  readonly device?: string;
  readonly service?: boolean;
  readonly logLevel: string;
}

function lengthOf(flags: SpecFlags): Length | null {
  if (flags.steps !== undefined) return { steps: flags.steps };
  return flags.epochs === undefined ? null : { epochs: flags.epochs };
}

const specOf = (flags: SpecFlags) => ({
  seed: flags.seed,
  recipe: flags.recipe,
  shards: flags.shards,
  shardBatch: flags.shardBatch,
  engine: flags.engine,
  length: lengthOf(flags),
});

const networksOf = ({ discriminator }: SpecFlags): readonly NetworkName[] =>
  discriminator === true ? NETWORK_NAMES : ['generator'];

/** Where the run can be watched. */
const watchOf = ({ httpHost, httpPort, httpAllowedHosts }: SpecFlags) => ({
  httpHost,
  httpPort,
  httpAllowedHosts: httpAllowedHosts ?? [],
});

function required<T>(value: T | undefined, flag: string, environment: string): T {
  if (value === undefined)
    throw new UsageError(`${flag} (or ${environment}) was expected: the NATS server of the cluster`);
  return value;
}

const specOptions = [
  options.data,
  options.shards,
  options.shardBatch,
  options.epochs,
  options.steps,
  options.seed,
  options.recipe,
  options.engine,
  options.prefetch,
  options.checkpointEveryS,
  options.waitWorkersS,
  options.sampleEvery,
  options.discriminator,
  options.httpHost,
  options.httpPort,
  options.httpAllowedHosts,
  options.out,
  options.resume,
  options.natsUrl,
  options.natsCredsFile,
  options.logLevel,
];

function command(program: Command, name: string, description: string): Command {
  // Sub-commands do not inherit these.
  return program
    .command(name)
    .description(description)
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput(program.configureOutput())
    .showHelpAfterError(`(gan-cluster ${name} --help tells all flags)`);
}

/**
 * The command line. Commands load what they need when they run, so that `--help` and the small processes start fast.
 * @param exit takes the exit status of a command that ended in order
 */
export function buildProgram(exit: (status: number) => void): Command {
  const program = new Command('gan-cluster')
    .description(
      'Trains a GAN on MNIST with many workers at once; the result is exact, whatever their number.',
    )
    .version('0.1.0')
    .exitOverride()
    .showHelpAfterError('(gan-cluster --help tells all commands)');

  const train = command(program, 'train', 'train with a whole cluster on this machine').action(
    async (flags: TrainFlags) => {
      const { train: run } = await import('../local/index.js');
      const { progressView } = await import('../terminal/index.js');
      const view = progressView(flags.json === true, process.stdout);
      const { interrupt, kill } = stopSignals();
      exit(
        await run(
          {
            ...specOf(flags),
            data: flags.data,
            dataNamed: train.getOptionValueSource('data') !== 'default',
            workers: flags.workers,
            prefetch: flags.prefetch,
            checkpointEveryS: flags.checkpointEveryS,
            waitWorkersS: flags.waitWorkersS,
            sampleEverySteps: flags.sampleEvery ?? null,
            networks: networksOf(flags),
            ...watchOf(flags),
            out: flags.out,
            resume: flags.resume === true,
            natsUrl: flags.natsUrl,
            natsCredsFile: flags.natsCredsFile,
            logLevel: flags.logLevel,
          },
          view,
          interrupt,
          kill,
        ),
      );
    },
  );
  for (const option of [options.workers, ...specOptions, options.json]) train.addOption(option());

  const coordinator = command(program, 'coordinator', 'the coordinator of a real cluster').action(
    async (flags: CoordinatorFlags) => {
      const [{ runCoordinator, newRunId }, { createLog }, { cacheFolder }, { tetherToParent }] =
        await Promise.all([
          import('../../coordinator/index.js'),
          import('../../proto/runtime/log.js'),
          import('../../proto/runtime/cache-folder.js'),
          import('../../proto/runtime/tether.js'),
        ]);
      const { interrupt, kill } = stopSignals();
      // What is written is written by compare-and-set and renaming: an end at once breaks nothing.
      kill.addEventListener('abort', () => process.exit(INTERRUPTED));
      tetherToParent(process.env, () => process.exit(1));
      const service = flags.service === true;
      const ended = await runCoordinator(
        {
          ...specOf(flags),
          runId: flags.runId ?? (service ? null : newRunId(new Date())),
          service,
          out: flags.out ?? null,
          cluster: flags.cluster,
          natsUrl: required(flags.natsUrl, '--nats-url', 'GAN_NATS_URL'),
          natsReplicas: flags.natsReplicas ?? null,
          natsCredentialsFile: flags.natsCredsFile,
          tlsCaFile: flags.tlsCaFile,
          data: flags.data,
          cacheFolder: cacheFolder(process.env),
          prefetch: flags.prefetch,
          workers: flags.workers,
          waitWorkersS: flags.waitWorkersS,
          checkpointEveryS: flags.checkpointEveryS,
          sampleEverySteps: flags.sampleEvery ?? null,
          networks: networksOf(flags),
          ...watchOf(flags),
          metricsPort: flags.metricsPort,
          resume: flags.resume === true,
          refusalEndsRun: flags.refusalEndsRun === true,
        },
        createLog('coordinator', flags.logLevel),
        interrupt,
      );
      if (ended.exitStatus !== 0)
        process.stderr.write(`${ended.outcome === 'failed' ? 'error: ' : ''}${ended.message}\n`);
      exit(ended.exitStatus);
    },
  );
  for (const option of [
    options.cluster,
    options.runId,
    options.expectedWorkers,
    ...specOptions,
    options.natsReplicas,
    options.tlsCaFile,
    options.metricsPort,
    options.refusalEndsRun,
    options.service,
  ]) {
    coordinator.addOption(option());
  }

  const worker = command(program, 'worker', 'one worker of a real cluster').action(
    async (flags: WorkerFlags) => {
      const [{ runWorker }, { createLog }, { tetherToParent }] = await Promise.all([
        import('../../worker/index.js'),
        import('../../proto/runtime/log.js'),
        import('../../proto/runtime/tether.js'),
      ]);
      const { interrupt, kill } = stopSignals();
      tetherToParent(process.env, () => process.exit(1));
      const ended = await runWorker(
        {
          name: flags.workerId,
          cluster: flags.cluster,
          natsUrl: required(flags.natsUrl, '--nats-url', 'GAN_NATS_URL'),
          natsCredentialsFile: flags.natsCredsFile,
          tlsCaFile: flags.tlsCaFile,
          ringCertificateFile: flags.ringCertFile,
          ringKeyFile: flags.ringKeyFile,
          advertiseHost: flags.advertiseHost,
          ringPort: flags.ringPort,
          httpHost: flags.httpHost,
          metricsPort: flags.metricsPort,
          engineThreads: flags.engineThreads,
          engine: flags.engine ?? 'auto',
          device: flags.device,
          service: flags.service === true,
        },
        createLog(flags.workerId ?? 'worker', flags.logLevel),
        interrupt,
        kill,
      );
      if (ended.exitStatus !== 0) process.stderr.write(`error: ${ended.message}\n`);
      exit(ended.exitStatus);
    },
  );
  for (const option of [
    options.cluster,
    options.workerId,
    options.engine,
    options.device,
    options.advertiseHost,
    options.ringPort,
    options.httpHost,
    options.metricsPort,
    options.engineThreads,
    options.natsUrl,
    options.natsCredsFile,
    options.tlsCaFile,
    options.ringCertFile,
    options.ringKeyFile,
    options.workerService,
    options.logLevel,
  ]) {
    worker.addOption(option());
  }

  addWatch(command(program, 'watch', 'follow a run that goes on elsewhere'), exit);

  addFetch(
    command(
      program,
      'fetch',
      "download a cluster's generator: its result, or the newest one while it trains",
    ),
    exit,
  );

  addGenerate(command(program, 'generate', 'make images with a finished generator'), exit);

  addEvaluate(command(program, 'evaluate', 'score a generator, or images, against MNIST'), exit);

  addScale(
    command(program, 'scale', 'change the number of workers of a cluster that runs on this machine'),
    exit,
  );

  addSetup(command(program, 'setup', 'make the credentials of the roles of a cluster, once'), exit);

  addDoctor(
    command(program, 'doctor', 'tell what this machine has, and what to do about what is missing'),
    exit,
  );
  return program;
}
