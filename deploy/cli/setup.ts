import type { Command } from 'commander';
import { options } from './options.js';

interface SetupFlags {
  readonly secrets: string;
  readonly cluster: string;
}

/** `setup`: the credentials of coordinator, worker and watch, and what the NATS server lets each of them do. */
export function addSetup(setup: Command, exit: (status: number) => void): void {
  for (const option of [options.secrets, options.cluster]) setup.addOption(option());
  setup.action(async (flags: SetupFlags) => {
    const { setup: run } = await import('../setup/index.js');
    process.stdout.write(`${await run(flags)}\n`);
    exit(0);
  });
}
