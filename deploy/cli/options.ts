import { InvalidArgumentError, Option } from 'commander';
import { ENGINE_NAMES } from '../../worker/index.js';
import { RECIPES, limits } from '../../proto/index.js';

/** Whole numbers in a range, digits only: `4x`, `1e3` and `` are refused. */
function wholeNumber(low: number, high: number) {
  return (text: string): number => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= low && value <= high) return value;
    throw new InvalidArgumentError(`A whole number from ${low} to ${high} was expected.`);
  };
}

/** Of servers that vote: an even number outlives no more losses than the odd one below it. */
function oddNumber(high: number) {
  return (text: string): number => {
    const value = wholeNumber(1, high)(text);
    if (value % 2 === 1) return value;
    throw new InvalidArgumentError(`An odd number from 1 to ${high} was expected.`);
  };
}

function positiveNumber(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value > 0) return value;
  throw new InvalidArgumentError('A number above 0 was expected.');
}

function hostNames(text: string): readonly string[] {
  const names = text
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
  if (names.every((name) => /^[a-z0-9.-]+$/.test(name))) return names;
  throw new InvalidArgumentError('Host names with commas between them were expected, without ports.');
}

/** Checked by whoever uses them. */
function commaList(text: string): readonly string[] {
  return [...new Set(text.split(',').map((name) => name.trim()))].filter((name) => name !== '');
}

function identifier(text: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(text)) return text;
  throw new InvalidArgumentError('1 to 64 letters, digits, - or _ were expected.');
}

function natsUrl(text: string): string {
  const servers = text.split(',').map((server) => server.trim());
  if (servers.every((server) => /^(nats|tls):\/\/[^\s/]+$/.test(server) && URL.canParse(server)))
    return servers.join(',');
  throw new InvalidArgumentError(
    'nats://HOST:PORT or tls://HOST:PORT was expected, or several of one NATS cluster with commas between them.',
  );
}

function httpUrl(text: string): string {
  if (/^https?:\/\/[^\s/]+\/?$/.test(text)) return text;
  throw new InvalidArgumentError('http://HOST:PORT was expected.');
}

const MAX_STEPS = 1_000_000_000;

/**
 * Every setting of every command, once: flag, environment variable, default, unit, help. A flag beats the environment,
 * which beats the default. Defaults that a resumed run takes from its record instead are told in the help text only.
 */
export const options = {
  data: () =>
    new Option(
      '--data <source>',
      'mnist (downloaded once into a cache), synthetic (drawn digits, no download), or a folder of IDX files',
    )
      .env('GAN_DATA')
      .default('mnist'),
  seed: () =>
    new Option('--seed <n>', 'seed of images, noise and initial weights (default: 1)')
      .env('GAN_SEED')
      .argParser(wholeNumber(0, Number.MAX_SAFE_INTEGER)),
  recipe: () =>
    new Option(
      '--recipe <name>',
      `how the parameters are changed: ${Object.keys(RECIPES).join(', ')} (default: tutorial)`,
    )
      .env('GAN_RECIPE')
      .choices(Object.keys(RECIPES)),
  shards: () =>
    new Option('--shards <n>', 'shards of a step; at most as many workers have work (default: 4)')
      .env('GAN_SHARDS')
      .argParser(wholeNumber(1, limits.maxShards)),
  shardBatch: () =>
    new Option('--shard-batch <n>', 'images of a shard; shards x this is the global batch (default: 32)')
      .env('GAN_SHARD_BATCH')
      .argParser(wholeNumber(2, 1_000_000)),
  epochs: () =>
    new Option('--epochs <n>', 'passes over the training set (default: 20)')
      .env('GAN_EPOCHS')
      .argParser(wholeNumber(1, 1_000_000))
      .conflicts('steps'),
  steps: () =>
    new Option('--steps <n>', 'steps, in place of passes')
      .env('GAN_STEPS')
      .argParser(wholeNumber(1, MAX_STEPS)),
  workers: () =>
    new Option('--workers <n>', 'worker processes (default: 2; with a GPU engine one a card)')
      .env('GAN_WORKERS')
      .argParser(wholeNumber(1, limits.maxWorkers)),
  expectedWorkers: () =>
    new Option('--workers <n>', 'workers that the first step waits for')
      .env('GAN_WORKERS')
      .default(1)
      .argParser(wholeNumber(1, limits.maxWorkers)),
  scaledWorkers: () =>
    new Option('--workers <n>', 'worker processes that the cluster is to have from now on')
      .argParser(wholeNumber(1, limits.maxWorkers))
      .makeOptionMandatory(),
  scaledRun: () =>
    new Option(
      '--out <folder>',
      'result folder of the run (default: the newest one in runs/ that is running)',
    ).env('GAN_OUT'),
  engine: () =>
    new Option(
      '--engine <name>',
      'what computes the gradients; auto takes the best that is there (default: auto)',
    )
      .env('GAN_ENGINE')
      .choices(['auto', ...ENGINE_NAMES]),
  device: () =>
    new Option(
      '--device <card>',
      "the NVIDIA GPU to compute on: its number in nvidia-smi's list, or its UUID (default: leased by the coordinator)",
    ).env('GAN_DEVICE'),
  prefetch: () =>
    new Option('--prefetch <steps>', 'steps sent out ahead of the committed one')
      .env('GAN_PREFETCH')
      .default(8)
      .argParser(wholeNumber(1, limits.maxPrefetch)),
  checkpointEveryS: () =>
    new Option('--checkpoint-every-s <seconds>', 'time between checkpoints; the newest three are kept')
      .env('GAN_CHECKPOINT_EVERY_S')
      .default(30)
      .argParser(positiveNumber),
  waitWorkersS: () =>
    new Option('--wait-workers-s <seconds>', 'how long a run without workers waits for one')
      .env('GAN_WAIT_WORKERS_S')
      .default(60)
      .argParser(positiveNumber),
  out: () =>
    new Option('--out <folder>', 'result folder (default: runs/<id>; with --resume: the newest run)').env(
      'GAN_OUT',
    ),
  resume: () =>
    new Option('--resume', 'go on with the run in --out, also further than first planned').env('GAN_RESUME'),
  url: () =>
    new Option('--url <url>', "where the cluster's live page is")
      .env('GAN_URL')
      .default('http://127.0.0.1:8080')
      .argParser(httpUrl),
  fetchedInto: () => new Option('--out <folder>', 'folder for the files').env('GAN_OUT').default('generator'),
  newest: () =>
    new Option(
      '--newest',
      'the newest generator of a run that goes on, which is exported for it; of a run that is done, its result',
    ).env('GAN_NEWEST'),
  fetchDiscriminator: () =>
    new Option('--discriminator', 'also the discriminator: with --newest it is exported as well').env(
      'GAN_DISCRIMINATOR',
    ),
  list: () => new Option('--list', 'only tell what there is to fetch').env('GAN_LIST'),
  fetchWaitS: () =>
    new Option(
      '--wait-s <seconds>',
      'how long to wait for the cluster to answer, for an export, and for a connection that was lost',
    )
      .env('GAN_WAIT_S')
      .default(20)
      .argParser(positiveNumber),
  jsonResult: () =>
    new Option('--json', 'one JSON object that tells what was fetched, or is there').env('GAN_JSON'),
  waitS: () =>
    new Option('--wait-s <seconds>', 'how long to wait for the first word of the cluster')
      .env('GAN_WAIT_S')
      .default(20)
      .argParser(positiveNumber),
  asOwner: () =>
    new Option(
      '--as-owner',
      "started as root: become the owner of the folder first, so that the files are theirs (the containers' way)",
    ).env('GAN_AS_OWNER'),
  afterInterrupt: () =>
    new Option('--after-interrupt <words>', 'what Ctrl-C leaves to be done, to be said at the beginning')
      .env('GAN_AFTER_INTERRUPT')
      .hideHelp(),
  service: () =>
    new Option(
      '--service',
      'take up the run of this RunSpec where it stands, by a name of its own, and stay after its end to show it and give it out',
    ).env('GAN_SERVICE'),
  workerService: () =>
    new Option('--service', 'stay when the run is over, and work for the next one').env('GAN_SERVICE'),
  natsUrl: () =>
    new Option(
      '--nats-url <url>',
      'a running NATS server with JetStream; of a NATS cluster several, with commas',
    )
      .env('GAN_NATS_URL')
      .argParser(natsUrl),
  natsReplicas: () =>
    new Option(
      '--nats-replicas <n>',
      'copies that JetStream keeps of the run, each on another server of a NATS cluster: 1, 3 or 5 (default: 1, or what the run has)',
    )
      .env('GAN_NATS_REPLICAS')
      .argParser(oddNumber(5)),
  natsCredsFile: () =>
    new Option(
      '--nats-creds-file <file>',
      'file with one line for the NATS server: user:password, or the seed of an NKey',
    ).env('GAN_NATS_CREDS_FILE'),
  secrets: () =>
    new Option(
      '--secrets <folder>',
      'where the credentials of the roles are made, each in a folder of its own',
    )
      .env('GAN_SECRETS')
      .makeOptionMandatory(),
  natsRoutes: () =>
    new Option(
      '--nats-routes <addresses>',
      'also let NATS servers form a cluster: HOST:PORT of the routes of all of them, with commas',
    )
      .env('GAN_NATS_ROUTES')
      .argParser(commaList),
  tlsNames: () =>
    new Option(
      '--tls-names <names>',
      'also make certificates: names and addresses by which the NATS server is reached, with commas',
    )
      .env('GAN_TLS_NAMES')
      .argParser(commaList),
  tlsCaFile: () =>
    new Option(
      '--tls-ca-file <file>',
      "PEM of the CA that signed the cluster's certificates; NATS is spoken to by TLS only",
    ).env('GAN_TLS_CA_FILE'),
  ringCertFile: () =>
    new Option(
      '--ring-cert-file <file>',
      'PEM of the certificate that workers show each other; the ring speaks TLS',
    ).env('GAN_RING_CERT_FILE'),
  ringKeyFile: () => new Option('--ring-key-file <file>', 'PEM of its private key').env('GAN_RING_KEY_FILE'),
  cluster: () =>
    new Option('--cluster <name>', 'tells clusters on one NATS server apart')
      .env('GAN_CLUSTER')
      .default('default')
      .argParser(identifier),
  runId: () =>
    new Option('--run-id <id>', 'name of the run in JetStream (default: made up)')
      .env('GAN_RUN_ID')
      .argParser(identifier),
  workerId: () =>
    new Option('--worker-id <id>', 'name of the worker (default: host name and process id)')
      .env('GAN_WORKER_ID')
      .argParser(identifier),
  advertiseHost: () =>
    new Option(
      '--advertise-host <host>',
      'address at which the other workers reach this one; auto for that of the way to NATS',
    )
      .env('GAN_ADVERTISE_HOST')
      .default('127.0.0.1'),
  ringPort: () =>
    new Option('--ring-port <port>', 'port of the ring; 0 takes a free one')
      .env('GAN_RING_PORT')
      .default(0)
      .argParser(wholeNumber(0, 65_535)),
  httpHost: () =>
    new Option(
      '--http-host <address>',
      'address on which the live page and metrics are served; 0.0.0.0 for all',
    )
      .env('GAN_HTTP_HOST')
      .default('127.0.0.1'),
  httpPort: () =>
    new Option('--http-port <port>', 'port of the live page; 0 takes a free one')
      .env('GAN_HTTP_PORT')
      .default(0)
      .argParser(wholeNumber(0, 65_535)),
  httpAllowedHosts: () =>
    new Option(
      '--http-allowed-hosts <names>',
      'names by which the live page is reached, with commas; localhost and addresses always are',
    )
      .env('GAN_HTTP_ALLOWED_HOSTS')
      .argParser(hostNames),
  metricsPort: () =>
    new Option('--metrics-port <port>', 'port of /metrics, /healthz and /readyz; 0 takes a free one')
      .env('GAN_METRICS_PORT')
      .default(0)
      .argParser(wholeNumber(0, 65_535)),
  sampleEvery: () =>
    new Option('--sample-every <steps>', 'steps between two sample grids (default: one pass)')
      .env('GAN_SAMPLE_EVERY')
      .argParser(wholeNumber(1, 1_000_000)),
  discriminator: () =>
    new Option('--discriminator', 'the result has the files of the discriminator as well').env(
      'GAN_DISCRIMINATOR',
    ),
  refusalEndsRun: () =>
    new Option('--refusal-ends-run', 'a worker that does not fit ends the run, as on one machine').hideHelp(),
  engineThreads: () =>
    new Option(
      '--engine-threads <n>',
      'threads that the engine may use where that changes no bit of the result',
    )
      .env('GAN_ENGINE_THREADS')
      .default(1)
      .argParser(wholeNumber(1, 256)),
  logLevel: () =>
    new Option('--log-level <level>', 'detail of the log')
      .env('GAN_LOG_LEVEL')
      .choices(['debug', 'info', 'warn', 'error', 'silent'])
      .default('info'),
  scoredCount: () =>
    new Option('--count <n>', 'images that are scored; scores compare only with those of as many')
      .env('GAN_COUNT')
      .default(10_000)
      .argParser(wholeNumber(100, 100_000)),
  reportFile: () =>
    new Option('--out <file>', 'file for the scores as JSON, besides what is printed').env('GAN_OUT'),
  jsonReport: () =>
    new Option('--json', 'print the scores as one JSON object, without explanations').env('GAN_JSON'),
  generatedTo: () =>
    new Option(
      '--out <path>',
      'what to make, told by its name: NAME.png a grid; NAME.idx or NAME-ubyte an IDX file, with .gz compressed; NAME/ a folder of PNGs; with --to-seed NAME.png a strip, NAME.gif an animation',
    )
      .env('GAN_OUT')
      .default('generated.png'),
  generatedCount: () =>
    new Option('--count <n>', 'images to make (default: 100; with --to-seed 1)')
      .env('GAN_COUNT')
      .argParser(wholeNumber(1, 1_000_000)),
  toSeed: () =>
    new Option('--to-seed <n>', 'change step by step from the images of --seed into those of this seed')
      .env('GAN_TO_SEED')
      .argParser(wholeNumber(0, Number.MAX_SAFE_INTEGER)),
  frames: () =>
    new Option('--frames <n>', 'steps of that change, with the first and the last (default: 10; in a GIF 40)')
      .env('GAN_FRAMES')
      .argParser(wholeNumber(2, 1_000)),
  noiseSeed: () =>
    new Option('--seed <n>', "seed of a generator's noise")
      .env('GAN_SEED')
      .default(1)
      .argParser(wholeNumber(0, Number.MAX_SAFE_INTEGER)),
  json: () => new Option('--json', 'one JSON object a line instead of the progress bar').env('GAN_JSON'),
} as const;
