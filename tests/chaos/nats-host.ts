import { findNatsServer, startNatsServer, type RunningNatsServer } from '../../deploy/nats-server/index.js';
import { cacheFolder } from '../../proto/runtime/cache-folder.js';
import { freePort } from './free-port.js';
import { startLimitedNats } from './limited-nats.js';
import { within } from './pulse.js';

const START_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 15_000;
const PASSWORD = 'chaos';

/** The cluster's NATS server, which can be stopped or killed and started again on its port and store. */
export class NatsHost {
  private running: RunningNatsServer | null = null;
  credentialsFile = '';

  private constructor(
    private readonly binary: string,
    private readonly storeFolder: string,
    readonly port: number,
    private maxFileStoreBytes: number | null,
  ) {}

  /** @param maxFileStoreBytes what JetStream may keep; null for as much as the disk holds */
  static async start(storeFolder: string, maxFileStoreBytes: number | null = null): Promise<NatsHost> {
    const { path } = await findNatsServer({
      environment: process.env,
      cacheFolder: cacheFolder(process.env),
    });
    const host = new NatsHost(path, storeFolder, await freePort(), maxFileStoreBytes);
    await host.startAgain();
    return host;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get isUp(): boolean {
    return this.running !== null;
  }

  /** Ends it in order. */
  async stop(): Promise<void> {
    const { running } = this;
    this.running = null;
    if (running !== null) await within(running.stop(), 'the end of nats-server', STOP_WITHIN_MS);
  }

  async kill(): Promise<void> {
    const { running } = this;
    this.running = null;
    if (running === null) return;
    process.kill(running.pid, 'SIGKILL');
    await within(running.exited, 'the end of nats-server', STOP_WITHIN_MS);
  }

  /** The process stands still, or goes on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    if (this.running !== null) process.kill(this.running.pid, signal);
  }

  /** From the next start on there is as much room as the disk has. */
  makeRoom(): void {
    this.maxFileStoreBytes = 1 << 30;
  }

  async startAgain(): Promise<void> {
    const { binary, storeFolder, port, maxFileStoreBytes } = this;
    const starting =
      maxFileStoreBytes === null
        ? startNatsServer({ binary, storeFolder, port, password: PASSWORD })
        : startLimitedNats({ binary, storeFolder, port, maxFileStoreBytes });
    this.running = await within(starting, 'nats-server', START_WITHIN_MS);
    this.credentialsFile = this.running.credentialsFile;
  }
}
