import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { UsageError, messageOf } from '../../proto/index.js';
import { writeWholeFile } from '../../proto/runtime/whole-file.js';

export interface RouteOptions {
  readonly secrets: string;
  readonly cluster: string;
  /** HOST:PORT of each server's route port, as the other servers reach it. */
  readonly routes: readonly string[];
}

const USER = 'route';
const HEAD =
  '# Made by gan-cluster setup: how the NATS servers of the cluster find and trust each other. Secret.\ncluster: ';
const ADDRESS = /^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}$/;

const writtenSchema = z.object({
  authorization: z.object({ password: z.string().regex(/^[A-Za-z0-9_-]{32,}$/) }),
});

/**
 * Makes `nats/cluster.conf` in the folder of secrets (mode 0600): the part of a NATS server's configuration by which servers
 * form a cluster, the same for all of them. Whoever has a route to a server is not asked for credentials again and may send
 * what it will, so routes ask for a password, which nobody but the servers has. One that is there stays. Throws UsageError
 * with one line, which never holds the secret.
 * @returns what was made, in one line
 */
export async function makeRoutes({ secrets, cluster, routes }: RouteOptions): Promise<string> {
  if (routes.length < 2)
    throw new UsageError(
      `--nats-routes: the servers of a NATS cluster were expected, found ${routes.length}`,
    );
  const wrong = routes.find((route) => !ADDRESS.test(route));
  if (wrong !== undefined)
    throw new UsageError(`--nats-routes: HOST:PORT was expected of every server, found ${wrong}`);
  const file = join(resolve(secrets), 'nats', 'cluster.conf');
  const password = (await passwordIn(file)) ?? randomBytes(32).toString('base64url');
  try {
    await writeWholeFile(file, HEAD + JSON.stringify(routing(cluster, routes, password), null, 2) + '\n', {
      mode: 0o600,
    });
  } catch (error) {
    throw new UsageError(`--secrets: ${file} cannot be made: ${messageOf(error)}`);
  }
  return `${file} lets NATS servers at ${routes.join(', ')} form a cluster`;
}

/** A NATS server's `cluster`. Pure. */
function routing(cluster: string, routes: readonly string[], password: string): Record<string, unknown> {
  return {
    name: `gan-${cluster}`,
    // All listen on the same port, each in a container or on a machine of its own.
    port: Number(routes[0]?.split(':').at(-1)),
    authorization: { user: USER, password, timeout: 5 },
    // One connection between two servers. Of several, which both ends open at once and close again where they meet, one was
    // seen (2.10.27) over which nothing of JetStream came back any more.
    pool_size: -1,
    routes: routes.map((route) => `nats-route://${USER}:${password}@${route}`),
  };
}

/** Null when none was made yet. */
async function passwordIn(file: string): Promise<string | null> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new UsageError(`--secrets: ${file} cannot be read: ${messageOf(error)}`);
  }
  try {
    return writtenSchema.parse(JSON.parse(text.slice(text.indexOf('{')))).authorization.password;
  } catch {
    throw new UsageError(
      `--secrets: ${file} was expected to be one of setup's: remove it, and another is made`,
    );
  }
}
