import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { RingMember } from '../../proto/index.js';
import { allocationBytes, loadKernels } from '../../worker/kernels/index.js';
import { ADDER_SCRATCH_BYTES, kernelAdder, openRing, RingServer } from '../../worker/ring/index.js';

/** What is measured. */
export interface RingBenchOptions {
  /** Processes, one a rank. */
  readonly world: number;
  /** Of the vector; its elements are int32. */
  readonly bytes: number;
  readonly repeats: number;
  readonly warmup: number;
}

/** Bandwidths are those that nccl-tests defines, in GB/s (10^9 bytes). */
export interface RingBenchResult extends RingBenchOptions {
  /** Wall time of one all-reduce at rank 0, from a barrier to the sum. */
  readonly medianMs: number;
  readonly minMs: number;
  readonly p90Ms: number;
  /** bytes / time: what the caller sees. */
  readonly algorithmGbPerS: number;
  /** Algorithm bandwidth x 2(N - 1)/N: what each link carries, so that worlds can be compared. */
  readonly busGbPerS: number;
  /** Processor time of one all-reduce, mean over ranks, filling and checking the vector not counted. */
  readonly cpuMs: number;
  /** Every element of every repeat's result was right at every rank. */
  readonly verified: boolean;
}

interface ChildTask extends RingBenchOptions {
  readonly rank: number;
  readonly members: readonly RingMember[];
}
interface ChildResult {
  readonly timesMs: readonly number[];
  readonly cpuMs: number;
  readonly verified: boolean;
}
type ChildMessage = { readonly port: number } | { readonly result: ChildResult } | { readonly error: string };

const HOST = '127.0.0.1';
const CHILD_FLAG = '--ring-bench-child';

/** All-reduces a vector over `world` processes of this machine, `warmup` times unmeasured and `repeats` times measured. */
export async function measureRing(options: RingBenchOptions): Promise<RingBenchResult> {
  const children = Array.from({ length: options.world }, () =>
    fork(fileURLToPath(import.meta.url), [CHILD_FLAG], { execArgv: ['--import', 'tsx'] }),
  );
  try {
    const members = await Promise.all(
      children.map(async (child, rank) => ({
        workerId: `w${rank}`,
        host: HOST,
        port: (await hear(child, 'port')).port,
      })),
    );
    const results = children.map(async (child) => (await hear(child, 'result')).result);
    for (const [rank, child] of children.entries())
      child.send({ ...options, rank, members } satisfies ChildTask);
    return summarize(options, await Promise.all(results));
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}

async function hear<K extends 'port' | 'result'>(
  child: ChildProcess,
  key: K,
): Promise<Extract<ChildMessage, Record<K, unknown>>> {
  const [message] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => [{ error: 'it exited' }]),
  ])) as [ChildMessage];
  if (key in message) return message as Extract<ChildMessage, Record<K, unknown>>;
  throw new Error(`ring benchmark: a process failed: ${'error' in message ? message.error : 'out of turn'}`);
}

function summarize(options: RingBenchOptions, results: readonly ChildResult[]): RingBenchResult {
  const { world, bytes } = options;
  const times = [...(results[0]?.timesMs ?? [])].sort((a, b) => a - b);
  const at = (share: number): number =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? NaN;
  const medianMs = at(0.5);
  const algorithmGbPerS = bytes / medianMs / 1e6;
  return {
    ...options,
    medianMs,
    minMs: at(0),
    p90Ms: at(0.9),
    algorithmGbPerS,
    busGbPerS: (algorithmGbPerS * 2 * (world - 1)) / world,
    cpuMs: results.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / results.length,
    verified: results.every(({ verified }) => verified),
  };
}

async function runChild(server: RingServer, task: ChildTask): Promise<ChildResult> {
  const { rank, world, members, bytes, repeats, warmup } = task;
  const length = Math.floor(bytes / 4);
  const memoryBytes = allocationBytes(4 * length) + allocationBytes(4 * world) + ADDER_SCRATCH_BYTES;
  const kernels = await loadKernels({ memoryBytes });
  const allocate = (n: number): Int32Array =>
    new Int32Array(kernels.memory.buffer, kernels.allocate(4 * n), n);
  const vector = allocate(length);
  const barrier = allocate(world);
  const ring = await openRing({
    ...{ server, rank, members, runId: 'bench', ringEpoch: 1, secret: '00'.repeat(32) },
    ...{ openMs: 20_000, silenceMs: 20_000, adder: kernelAdder(kernels) },
  });
  const timesMs: number[] = [];
  let verified = true;
  let cpuMs = 0;
  for (let repeat = 0; repeat < warmup + repeats; repeat++) {
    // Every element has a value of its own at every rank and in every repeat, and sums wrap.
    const factor = Math.imul(repeat + 1, 0x9e3779b1);
    for (let i = 0; i < length; i++) vector[i] = Math.imul(i + rank, factor);
    // Nobody can be through this before all have come to it.
    await ring.allReduce(barrier, { update: 2 * repeat, attempt: 0 });
    const cpu = process.cpuUsage();
    const startMs = performance.now();
    await ring.allReduce(vector, { update: 2 * repeat + 1, attempt: 0 });
    const endMs = performance.now();
    const used = process.cpuUsage(cpu);
    if (repeat >= warmup) {
      timesMs.push(endMs - startMs);
      cpuMs += (used.user + used.system) / 1_000 / repeats;
    }
    const ranks = (world * (world - 1)) / 2;
    for (let i = 0; i < length; i++) if (vector[i] !== Math.imul(world * i + ranks, factor)) verified = false;
  }
  // Whoever closes first must not fail the others' last reduction: it is over for all once this one is.
  await ring.allReduce(barrier, { update: 2 * (warmup + repeats), attempt: 0 });
  ring.close();
  return { timesMs, cpuMs, verified };
}

async function serveAsChild(): Promise<void> {
  const say = (message: ChildMessage): void => void process.send?.(message);
  const server = await RingServer.listen({ host: HOST, port: 0 });
  process.once('message', (task: ChildTask) => {
    runChild(server, task).then(
      (result) => say({ result }),
      (error: Error) => say({ error: error.message }),
    );
  });
  process.once('disconnect', () => process.exit());
  say({ port: server.port });
}

/** tsx tests/bench/ring.ts [WORLD] [BYTES] [REPEATS] [WARMUP]: one line of JSON. */
async function main(): Promise<void> {
  const [world = 2, bytes = 8_174_148, repeats = 50, warmup = 10] = process.argv.slice(2).map(Number);
  console.log(JSON.stringify(await measureRing({ world, bytes, repeats, warmup })));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === CHILD_FLAG) await serveAsChild();
  else await main();
}
