import type { Command } from 'commander';
import { options } from './options.js';
import { stopSignals } from './stop-signals.js';

interface WatchFlags {
  readonly natsUrl?: string;
  readonly natsCredsFile?: string;
  readonly tlsCaFile?: string;
  readonly cluster: string;
  readonly out?: string;
  readonly json?: boolean;
  readonly waitS: number;
  readonly afterInterrupt?: string;
}

/** `watch`: the progress of a cluster that runs elsewhere, or in another terminal. */
export function addWatch(watch: Command, exit: (status: number) => void): void {
  for (const option of [
    options.natsUrl,
    options.natsCredsFile,
    options.tlsCaFile,
    options.cluster,
    options.scaledRun,
    options.waitS,
    options.afterInterrupt,
    options.json,
  ])
    watch.addOption(option());
  watch.action(async (flags: WatchFlags) => {
    const { watch: run } = await import('../watch/index.js');
    const { progressView } = await import('../terminal/index.js');
    const view = progressView(flags.json === true, process.stdout);
    const { interrupt } = stopSignals();
    const { natsUrl, natsCredsFile, tlsCaFile, cluster, out, waitS, afterInterrupt } = flags;
    const patience = { firstWordMs: waitS * 1_000, afterInterrupt };
    exit(await run({ natsUrl, natsCredsFile, tlsCaFile, cluster, out, ...patience }, view, interrupt));
  });
}
