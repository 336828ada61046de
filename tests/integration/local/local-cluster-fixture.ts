import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { ClusterProcess } from '../../../deploy/local/child.js';
import { writeClusterFile } from '../../../deploy/local/cluster-file.js';
import { LocalCluster, type ClusterEnd } from '../../../deploy/local/local-cluster.js';
import { NatsKeeper } from '../../../deploy/local/nats-keeper.js';
import { findNatsServer } from '../../../deploy/nats-server/index.js';
import { LinesView } from '../../../deploy/terminal/progress-view.js';
import { Bus } from '../../../proto/runtime/bus.js';
import { cacheFolder } from '../../../proto/runtime/cache-folder.js';
import { until, untilGone } from './conditions.js';

export const CLUSTER = 'test';
const FAKE_COORDINATOR = fileURLToPath(new URL('./fake-coordinator.ts', import.meta.url));
/** A worker that does nothing until it is asked to leave; it tells in its log when it can be asked. */
export const WORKER = `
  process.on('SIGTERM', () => process.exit(0));
  process.stdin.on('end', () => process.exit(1)).resume();
  console.log('ready', process.pid);`;

/** The fake workers do not hear that the run is over: all of it passes. */
const PATIENCE_MS = 400;

const natsServer = async (): Promise<string> =>
  (await findNatsServer({ environment: process.env, cacheFolder: cacheFolder(process.env) })).path;

export interface FixtureParts {
  readonly workers?: number;
  /** Node's arguments in place of the fake coordinator's. */
  readonly coordinator?: readonly string[];
  /** The workers' script. */
  readonly worker?: string;
  readonly patienceMs?: number;
}

/** A cluster of a fake coordinator and fake workers on a real nats-server, and what the launcher says. */
export class Fixture {
  readonly folder = mkdtempSync(join(tmpdir(), 'local-cluster-'));
  readonly said: string[] = [];
  readonly interrupt = new AbortController();
  readonly kill = new AbortController();
  /** Oldest first. */
  readonly coordinators: ClusterProcess[] = [];
  readonly workers: { readonly process: ClusterProcess; readonly engineThreads: number }[] = [];
  readonly view = new LinesView(
    (line) => this.said.push(line),
    () => 0,
  );
  private nats: NatsKeeper | null = null;
  private readonly buses: Bus[] = [];
  private cluster: LocalCluster | null = null;

  async start(parts: FixtureParts = {}): Promise<void> {
    const nats = await NatsKeeper.start({
      binary: await natsServer(),
      storeFolder: join(this.folder, 'nats'),
      signal: this.interrupt.signal,
      say: (line) => this.said.push(line),
      log: this.logOf('nats-server'),
    });
    this.nats = nats;
    const start = (name: string, args: readonly string[]): ClusterProcess =>
      ClusterProcess.start(name, args, this.logOf(name));
    const fake = ['--import', 'tsx', FAKE_COORDINATOR, nats.url, nats.credentialsFile, CLUSTER];
    this.cluster = await LocalCluster.start({
      bus: await this.connect('launcher'),
      view: this.view,
      workers: parts.workers ?? 1,
      shards: 2,
      cores: 12,
      startCoordinator: () => {
        const process = start('coordinator', parts.coordinator ?? fake);
        this.coordinators.push(process);
        return process;
      },
      startWorker: (name, engineThreads) => {
        const process = start(name, ['-e', parts.worker ?? WORKER]);
        this.workers.push({ process, engineThreads });
        return process;
      },
      natsOver: nats.over,
      patienceMs: parts.patienceMs ?? PATIENCE_MS,
      logOf: (name) => this.logOf(name),
    });
  }

  logOf(name: string): string {
    return join(this.folder, `${name}.log`);
  }

  run(): Promise<ClusterEnd> {
    if (this.cluster === null) throw new Error('not started');
    return this.cluster.run(this.interrupt.signal, this.kill.signal);
  }

  async connect(name: string): Promise<Bus> {
    const { url = '', credentialsFile } = this.nats ?? {};
    const bus = await Bus.connect({ url, credentialsFile, cluster: CLUSTER, name });
    this.buses.push(bus);
    return bus;
  }

  /** The last word of a run, from whoever has the lead. */
  async endRun(): Promise<void> {
    const bus = await this.connect('standby');
    bus.out('ended', { runId: CLUSTER, outcome: 'done', exitStatus: 0, message: 'Done' });
    await bus.flush();
  }

  get natsPid(): number {
    return this.nats?.pid ?? 0;
  }

  writeClusterFile(): Promise<void> {
    const { url = '', credentialsFile = null } = this.nats ?? {};
    return writeClusterFile(this.folder, {
      runId: CLUSTER,
      cluster: CLUSTER,
      natsUrl: url,
      natsCredentialsFile: credentialsFile,
      launcherPid: process.pid,
      startedMs: 0,
      shards: 2,
    });
  }

  /** Resolves when a process that says so is ready to take signals. */
  untilReady(process: ClusterProcess | undefined): Promise<void> {
    return until(() =>
      expect(readFileSync(this.logOf(process?.name ?? ''), 'utf8')).toContain(`ready ${process?.pid}`),
    );
  }

  untilListens(coordinator: ClusterProcess | undefined): Promise<void> {
    return until(() => expect(this.said).toContain(`coordinator ${coordinator?.pid} listens`));
  }

  /** Ends all, and expects that nothing is left running. */
  async close(): Promise<void> {
    await this.cluster?.close();
    const processes = [...this.coordinators, ...this.workers.map(({ process }) => process)];
    for (const { pid } of processes) await untilGone(pid ?? 0);
    await Promise.all(this.buses.map((bus) => bus.close()));
    await this.nats?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
