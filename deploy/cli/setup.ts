import type { Command } from 'commander';
import { options } from './options.js';

interface SetupFlags {
  readonly secrets: string;
  readonly cluster: string;
  readonly natsRoutes?: readonly string[];
  readonly tlsNames?: readonly string[];
}

/** Until certificates have to be made anew. */
const VALID_DAYS = 730;

/**
 * `setup`: the credentials of coordinator, worker and watch, what the NATS server lets each of them do, and on request what
 * makes several NATS servers a cluster, and certificates.
 */
export function addSetup(setup: Command, exit: (status: number) => void): void {
  for (const option of [options.secrets, options.natsRoutes, options.tlsNames, options.cluster])
    setup.addOption(option());
  setup.action(async ({ secrets, cluster, natsRoutes, tlsNames }: SetupFlags) => {
    const { makeCertificates, makeRoutes, setup: run } = await import('../setup/index.js');
    process.stdout.write(`${await run({ secrets, cluster })}\n`);
    if (natsRoutes !== undefined)
      process.stdout.write(`${await makeRoutes({ secrets, cluster, routes: natsRoutes })}\n`);
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
