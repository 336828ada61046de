import { relative } from 'node:path';
import type { Command } from 'commander';
import { INTERRUPTED, OperationalError } from '../../proto/index.js';
import { options } from './options.js';
import { stopSignals } from './stop-signals.js';

interface FetchFlags {
  readonly url: string;
  readonly out: string;
  readonly newest?: boolean;
  readonly discriminator?: boolean;
  readonly list?: boolean;
  readonly json?: boolean;
  readonly waitS: number;
  readonly asOwner?: boolean;
}

/** `fetch`: a cluster's generator, with every file checked; or what there is to fetch. */
export function addFetch(fetch: Command, exit: (status: number) => void): void {
  for (const option of [
    options.url,
    options.fetchedInto,
    options.newest,
    options.fetchDiscriminator,
    options.list,
    options.jsonResult,
    options.fetchWaitS,
    options.asOwner,
  ])
    fetch.addOption(option());
  fetch.action(async (flags: FetchFlags) => {
    const { awaitNewest, becomeOwnerOf, fetchResult, listWords, readListing } =
      await import('../fetch/index.js');
    const { url, out, waitS, asOwner } = flags;
    const [newest, discriminator] = [flags.newest === true, flags.discriminator === true];
    const { interrupt } = stopSignals();
    const print = (line: string): void => void process.stdout.write(`${line}\n`);
    // A program that reads the result is not to find words in it.
    const say = flags.json === true ? (line: string) => void process.stderr.write(`${line}\n`) : print;
    const asking = { url, waitMs: waitS * 1_000, say, interrupt };
    try {
      if (flags.list === true) {
        const listing = newest ? await awaitNewest(discriminator, asking) : await readListing(asking);
        if (flags.json === true) print(JSON.stringify(listing));
        else listWords(listing).forEach(print);
      } else {
        if (asOwner === true) becomeOwnerOf(out);
        const fetched = await fetchResult({ ...asking, out, newest, discriminator });
        if (flags.json === true) print(JSON.stringify({ ...fetched, out }));
        else print(`The generator is in ${relative('.', out) || '.'}.`);
      }
      exit(0);
    } catch (error) {
      if (!(error instanceof OperationalError) || error.code !== 'aborted') throw error;
      say('Stopped; what has come is kept: fetch again to go on from there.');
      exit(INTERRUPTED);
    }
  });
}
