import { cpus } from 'node:os';
import { Command } from 'commander';
import { limits } from '../../proto/index.js';
import { measureCluster, type ClusterRate, type ClusterShape } from './cluster.js';
import { measureGradientStep } from './gradient-step.js';
import { measureKernels } from './kernels.js';
import { measurePeer } from './peer.js';
import { measureRing } from './ring.js';
import { shown, spreadOf, type Spread } from './samples.js';

const SECTIONS = ['step', 'kernels', 'ring', 'cluster', 'peer'] as const;
type Section = (typeof SECTIONS)[number];

interface Flags {
  readonly only?: Section[];
  readonly peer?: string;
  readonly pairs: string;
  readonly json?: boolean;
}

/** Bytes of the tutorial model's gradients as int32. */
const GRADIENT_BYTES = 8_174_148;
const CLUSTER_STEPS = 500;
const PEER_STEPS = 300;

const flags = new Command('npm run bench --')
  .description(
    'Measures this machine: gradient step, kernels, ring, whole cluster; against a peer on request.',
  )
  .option('--only <sections...>', `some of ${SECTIONS.join(', ')}`)
  .option(
    '--peer <command>',
    "another system's benchmark: COMMAND WORKERS BATCH_PER_WORKER STEPS prints a JSON line",
  )
  .option('--pairs <n>', 'repeats of whole runs; with --peer in alternation', '3')
  .option('--json', 'one JSON object a line instead of tables')
  .parse()
  .opts<Flags>();

const wanted = (section: Section): boolean =>
  flags.only?.includes(section) ?? (section !== 'peer' || flags.peer !== undefined);

function title(text: string, columns: string): void {
  if (flags.json !== true) console.log(`\n${text}\n${columns}`);
}

/** One line of a table, or its JSON. */
function row(section: Section, fields: Record<string, unknown>, cells: readonly string[]): void {
  console.log(flags.json === true ? JSON.stringify({ section, ...fields }) : `| ${cells.join(' | ')} |`);
}

const processor = cpus()[0]?.model.trim() ?? 'unknown';
if (flags.json !== true) {
  console.log(`${cpus().length} x ${processor}, Node ${process.version}; median (lowest to highest)`);
}

if (wanted('step')) {
  title('Gradients of one step, one shard, one core', '| engine | B | ms | images/s |\n|---|---|---|---|');
  for (const [engine, batches, repeats] of [
    ['onnx-cpu', [32, 64, 128, 512], 40],
    ['tfjs-wasm', [32, 128], 5],
  ] as const) {
    for (const batch of batches) {
      const ms = await measureGradientStep(engine, batch, repeats);
      const rate = Math.round((batch * 1000) / ms.median);
      row('step', { engine, batch, ms }, [engine, String(batch), shown(ms), String(rate)]);
    }
  }
}

if (wanted('kernels')) {
  title('Kernels over all 2.04 million parameters, one core', '| kernel | ms |\n|---|---|');
  for (const [kernel, ms] of Object.entries(await measureKernels(100)))
    row('kernels', { kernel, ms }, [kernel, shown(ms)]);
}

if (wanted('ring')) {
  title(
    `Ring all-reduce of ${GRADIENT_BYTES} bytes between processes, segments of ${limits.ringSegmentBytes} bytes`,
    '| processes | ms | algorithm GB/s | bus GB/s | CPU ms | verified |\n|---|---|---|---|---|---|',
  );
  for (const world of [2, 4]) {
    const result = await measureRing({ world, bytes: GRADIENT_BYTES, repeats: 50, warmup: 10 });
    row('ring', { ...result }, [
      String(world),
      result.medianMs.toFixed(2),
      result.algorithmGbPerS.toFixed(2),
      result.busGbPerS.toFixed(2),
      result.cpuMs.toFixed(2),
      String(result.verified),
    ]);
  }
}

const pairs = Number(flags.pairs);

async function repeated(
  shape: ClusterShape,
  beforeEach?: () => Promise<void>,
): Promise<{ rates: ClusterRate[]; ms: Spread }> {
  const rates: ClusterRate[] = [];
  for (let i = 0; i < pairs; i++) {
    await beforeEach?.();
    rates.push(await measureCluster(shape, CLUSTER_STEPS));
  }
  return { rates, ms: spreadOf(rates.map((rate) => rate.msPerStep)) };
}

const SHAPES: readonly ClusterShape[] = [
  { workers: 1, shards: 1, shardBatch: 128 },
  { workers: 2, shards: 2, shardBatch: 128 },
  { workers: 2, shards: 2, shardBatch: 64 },
];

if (wanted('cluster')) {
  title(
    'A cluster step from the wall time between two lengths of whole runs; phases are means over workers',
    '| workers x B | ms a step | images/s | wait | compute | reduce | update |\n|---|---|---|---|---|---|---|',
  );
  for (const shape of SHAPES) {
    const { rates, ms } = await repeated(shape);
    const middle = spreadOf(rates.map((rate) => rate.imagesPerSecond));
    const phase = (name: keyof ClusterRate['phases']): string =>
      spreadOf(rates.map((rate) => rate.phases[name])).median.toFixed(2);
    row('cluster', { ...shape, ms, imagesPerSecond: middle, rates }, [
      `${shape.workers} x ${shape.shardBatch}`,
      shown(ms),
      String(Math.round(middle.median)),
      ...(['wait', 'compute', 'reduce', 'update'] as const).map(phase),
    ]);
  }
}

if (wanted('peer') && flags.peer !== undefined) {
  const { peer: command } = flags;
  title(
    'Against a peer, in alternation',
    '| workers x B | ours ms | peer ms | times as fast |\n|---|---|---|---|',
  );
  for (const shape of SHAPES) {
    const theirs: number[] = [];
    let name = '';
    const { rates, ms } = await repeated(shape, async () => {
      const rate = await measurePeer(command, shape.workers, shape.shardBatch, PEER_STEPS);
      theirs.push(rate.ms_per_step);
      name = rate.peer;
    });
    const ratios = spreadOf(rates.map((rate, i) => (theirs[i] ?? Number.NaN) / rate.msPerStep));
    const peer = spreadOf(theirs);
    row('peer', { ...shape, peer: name, ours: ms, theirs: peer, ratios }, [
      `${shape.workers} x ${shape.shardBatch}`,
      shown(ms),
      `${shown(peer)} ${name}`,
      shown(ratios),
    ]);
  }
}
