import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { z } from 'zod';

const run = promisify(execFile);
const answer = z.object({
  peer: z.string(),
  ms_per_step: z.number().positive(),
  images_per_second: z.number().positive(),
});
export type PeerRate = z.infer<typeof answer>;

/**
 * Runs another system's benchmark: `COMMAND WORKERS BATCH_PER_WORKER STEPS`, which prints one JSON line with `peer`,
 * `ms_per_step` and `images_per_second`.
 */
export async function measurePeer(
  command: string,
  workers: number,
  batch: number,
  steps: number,
): Promise<PeerRate> {
  const [program = '', ...args] = command.split(' ');
  const { stdout } = await run(program, [...args, String(workers), String(batch), String(steps)]);
  const line = stdout.split('\n').find((text) => text.startsWith('{'));
  return answer.parse(JSON.parse(line ?? 'null'));
}
