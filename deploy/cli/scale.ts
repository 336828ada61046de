import type { Command } from 'commander';
import { options } from './options.js';

interface ScaleFlags {
  readonly workers: number;
  readonly out?: string;
}

/** `scale`: another number of workers for a local cluster while it trains. */
export function addScale(scale: Command, exit: (status: number) => void): void {
  for (const option of [options.scaledWorkers, options.scaledRun]) scale.addOption(option());
  scale.action(async (flags: ScaleFlags) => {
    const { scale: run } = await import('../local/index.js');
    await run({ workers: flags.workers, out: flags.out }, (line) => void process.stdout.write(`${line}\n`));
    exit(0);
  });
}
