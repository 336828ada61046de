import type { Command } from 'commander';
import { INTERRUPTED, OperationalError } from '../../proto/index.js';
import { options } from './options.js';
import { stopSignals } from './stop-signals.js';

interface FetchFlags {
  readonly url: string;
  readonly out: string;
  readonly waitS: number;
  readonly asOwner?: boolean;
}

/** `fetch`: the result of a cluster's finished run, with every file checked. */
export function addFetch(fetch: Command, exit: (status: number) => void): void {
  for (const option of [options.url, options.fetchedInto, options.waitS, options.asOwner])
    fetch.addOption(option());
  fetch.action(async ({ url, out, waitS, asOwner }: FetchFlags) => {
    const { becomeOwnerOf, fetchResult } = await import('../fetch/index.js');
    const { interrupt } = stopSignals();
    if (asOwner === true) becomeOwnerOf(out);
    const say = (line: string): void => void process.stdout.write(`${line}\n`);
    try {
      await fetchResult({ url, out, waitMs: waitS * 1_000, say, interrupt });
      exit(0);
    } catch (error) {
      if (!(error instanceof OperationalError) || error.code !== 'aborted') throw error;
      say('Stopped; what was fetched whole is kept.');
      exit(INTERRUPTED);
    }
  });
}
