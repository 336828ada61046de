import { onTestFinished } from 'vitest';
import { GanCluster, readRunFile, temporaryFolder, ganCluster } from '../cluster/gan-cluster.js';
import { CLUSTER, RolesServer } from './roles-server.js';
import type { Role } from '../../../proto/index.js';

export const RUN = 'r1';

/** Starts real processes of a cluster, each with its role's credentials. */
export class ClusterOfRoles {
  private readonly running: GanCluster[] = [];

  constructor(private readonly server: RolesServer) {}

  start(role: Role, args: readonly string[], credentials = this.server.credentialsOf(role)): GanCluster {
    const access = ['--nats-url', this.server.url, '--nats-creds-file', credentials, '--cluster', CLUSTER];
    const process = new GanCluster([role, ...access, ...args]);
    this.running.push(process);
    return process;
  }

  /** Everything that the processes have said so far. */
  async said(): Promise<string> {
    const ends = await Promise.all(this.running.map(({ finished }) => finished));
    return ends.map(({ stdout, stderr }) => stdout + stderr).join('\n');
  }

  kill(): void {
    for (const { child } of this.running) child.kill('SIGKILL');
  }
}

/** A server, and a cluster on it that has no process yet; both go when the test is over. */
export async function clusterOfRoles(): Promise<{ server: RolesServer; cluster: ClusterOfRoles }> {
  const server = await RolesServer.start();
  const cluster = new ClusterOfRoles(server);
  onTestFinished(async () => {
    cluster.kill();
    await server.stop();
  });
  return { server, cluster };
}

/** Resolves when a watcher has told of a step from `step` on in training. */
export async function trainedTo(watch: GanCluster, step: number): Promise<void> {
  const reached = (): boolean =>
    [...watch.output.matchAll(/"phase":"training","step":(\d+)/g)].some(([, at]) => Number(at) >= step);
  const untilMs = performance.now() + 60_000;
  while (!reached()) {
    if (performance.now() > untilMs || watch.child.exitCode !== null)
      throw new Error(`step ${step} was not reached: ${watch.output.slice(-2_000)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** State hash of the run that `shape` describes, as `train` makes it with a server of its own and all rights. */
export async function unrestrictedHash(shape: readonly string[]): Promise<string> {
  const out = `${temporaryFolder()}/reference`;
  const { status, stderr } = await ganCluster(['train', ...shape, '--out', out, '--workers', '1']);
  if (status !== 0) throw new Error(stderr);
  return hashOf(out);
}

export const hashOf = (out: string): string => {
  const { stateSha256 } = readRunFile(out);
  if (stateSha256 === null) throw new Error(`the run in ${out} has no final state`);
  return stateSha256;
};
