import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChaosProcess } from '../chaos/chaos-process.js';
import { CLUSTER, coordinatorArguments, workerArguments } from '../chaos/command-lines.js';
import { freePort } from '../chaos/free-port.js';
import { NatsHost } from '../chaos/nats-host.js';
import { Pulse } from '../chaos/pulse.js';
import { RunWatch } from '../chaos/run-watch.js';
import { LocalConfig } from './local-config.js';

const COME_UP_MS = 60_000;
const END_WITHIN_MS = 60_000;
/** More than there is time for: the test ends the run. */
const ENDLESS = { name: 'endless', steps: 10_000_000 };
const CHECKPOINT_EVERY_S = 5;

interface ObservedWorker {
  readonly process: ChaosProcess;
  readonly address: string;
}

interface RunParts {
  readonly folder: string;
  readonly pulse: Pulse;
  readonly nats: NatsHost;
  readonly watch: RunWatch;
  readonly config: LocalConfig;
  readonly coordinatorPort: number;
}

/** A run of real processes, each with its metrics endpoint, and the configuration that has Prometheus scrape them. */
export class ObservedRun {
  private readonly workers = new Map<string, ObservedWorker>();
  private coordinator: ChaosProcess | null = null;
  private ends = false;

  private constructor(private readonly parts: RunParts) {}

  /** Resolves once all workers have said hello. */
  static async start(workers: number): Promise<ObservedRun> {
    const folder = mkdtempSync(join(tmpdir(), 'gan-observed-'));
    mkdirSync(join(folder, 'prometheus'));
    const pulse = new Pulse();
    const nats = await NatsHost.start(join(folder, 'nats'));
    const watch = await RunWatch.connect(nats.url, nats.credentialsFile, CLUSTER, pulse);
    const coordinatorPort = await freePort();
    const config = new LocalConfig(join(folder, 'prometheus'), `127.0.0.1:${coordinatorPort}`);
    const run = new ObservedRun({ folder, pulse, nats, watch, config, coordinatorPort });
    try {
      run.startCoordinator(workers);
      for (let i = 0; i < workers; i++) await run.startWorker(`worker-${i}`);
    } catch (error) {
      await run.close();
      throw error;
    }
    return run;
  }

  get nats(): NatsHost {
    return this.parts.nats;
  }

  /** Where prometheus.yml is. */
  get configFolder(): string {
    return this.parts.config.folder;
  }

  /** Who a worker is, and where its ring listens. */
  helloOf(name: string): RunWatch['hellos'][number] {
    const hello = this.parts.watch.hellos.find((one) => one.name === name);
    if (hello === undefined) throw new Error(`a hello of ${name} was expected`);
    return hello;
  }

  /** Prometheus is told of it, as by compose's DNS. */
  async startWorker(name: string): Promise<void> {
    const port = await freePort();
    const process = this.spawn(name, [...workerArguments(name), '--metrics-port', String(port)]);
    this.workers.set(name, { process, address: `127.0.0.1:${port}` });
    this.tellAddresses();
    const { pulse, watch } = this.parts;
    await pulse.until(
      () => watch.hellos.some((hello) => hello.name === name),
      `hello of ${name}`,
      COME_UP_MS,
    );
  }

  /** SIGKILL; its address is gone with it. */
  async kill(name: string): Promise<void> {
    const worker = this.workers.get(name);
    if (worker === undefined) throw new Error(`there is no ${name}`);
    worker.process.signal('SIGKILL');
    await this.endOf(worker.process);
    this.workers.delete(name);
    this.tellAddresses();
  }

  /** Stops the run in order and ends everything. */
  async close(): Promise<void> {
    const { coordinator, parts } = this;
    this.ends = true;
    coordinator?.signal('SIGTERM');
    if (coordinator !== null) await this.endOf(coordinator).catch(() => undefined); // what does not end is killed
    const lives = [...this.workers.values()].map(({ process }) => process);
    for (const life of [...(coordinator === null ? [] : [coordinator]), ...lives]) {
      life.signal('SIGKILL');
      await this.endOf(life).catch(() => undefined); // an alarm was raised
    }
    await parts.watch.close();
    await parts.nats.stop();
    rmSync(parts.folder, { recursive: true, force: true });
  }

  private startCoordinator(workers: number): void {
    const own = coordinatorArguments({
      shape: ENDLESS,
      out: join(this.parts.folder, 'out'),
      workers,
      checkpointEveryS: CHECKPOINT_EVERY_S,
      waitWorkersS: undefined,
      resume: false,
    });
    this.coordinator = this.spawn('coordinator', [
      ...own,
      '--metrics-port',
      String(this.parts.coordinatorPort),
    ]);
  }

  private spawn(name: string, own: readonly string[]): ChaosProcess {
    const { nats, folder, pulse } = this.parts;
    const words = ['--nats-url', nats.url, '--nats-creds-file', nats.credentialsFile, '--cluster', CLUSTER];
    return new ChaosProcess(name, [...own, ...words], {}, join(folder, `${name}.log`), (_, { status }) => {
      if (!this.ends && status !== null) pulse.alarm(new Error(`${name} ended with exit status ${status}`));
      pulse.beat();
    });
  }

  private endOf(process: ChaosProcess): Promise<unknown> {
    return this.parts.pulse.until(() => process.exit, `the end of ${process.name}`, END_WITHIN_MS);
  }

  private tellAddresses(): void {
    this.parts.config.setWorkers([...this.workers.values()].map(({ address }) => address));
  }
}
