import type { Command } from 'commander';
import { options } from './options.js';

interface SetupFlags {
  readonly secrets: string;
  readonly cluster: string;
  readonly tlsNames?: readonly string[];
}

/** Until certificates have to be made anew. */
const VALID_DAYS = 730;

/**
 * `setup`: the credentials of coordinator, worker and watch, what the NATS server lets each of them do, and on request the
 * cluster's certificates.
 */
export function addSetup(setup: Command, exit: (status: number) => void): void {
  for (const option of [options.secrets, options.tlsNames, options.cluster]) setup.addOption(option());
  setup.action(async ({ secrets, cluster, tlsNames }: SetupFlags) => {
    const { makeCertificates, setup: run } = await import('../setup/index.js');
    process.stdout.write(`${await run({ secrets, cluster })}\n`);
    if (tlsNames !== undefined) {
      const { made } = await makeCertificates({
        ...{ folder: secrets, natsNames: tlsNames, validFrom: new Date(), validDays: VALID_DAYS },
      });
      const words = made.length > 0 ? `made ${made.length} certificates` : 'kept the certificates';
      process.stdout.write(`${words} for ${tlsNames.join(', ')}\n`);
    }
    exit(0);
  });
}
