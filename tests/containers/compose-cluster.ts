import { randomBytes } from 'node:crypto';
import { on } from 'node:events';
import { rmSync } from 'node:fs';
import { WebSocket } from 'ws';
import { pollUntil } from '../../deploy/nats-server/poll.js';
import { artifactsSchema, type Artifacts } from '../../proto/artifacts.js';
import { LIVE_PATH, liveMessageSchema } from '../../proto/live.js';
import { freePort } from '../chaos/free-port.js';
import { freshCheckout } from './checkout.js';
import { docker, run, type CommandEnd } from './docker.js';
import type { ContainerImages } from './global-setup.js';

const ASK_EVERY_MS = 250;
const KILL_WHAT_RUNS =
  'for p in /proc/[0-9]*; do read -r name <$p/comm; case $name in node|nats-server) kill -9 ${p#/proc/};; esac; done';

/** The compose files of a fresh checkout, as a project of its own on ports of its own. */
export class ComposeCluster {
  readonly project = `gan-test-${randomBytes(3).toString('hex')}`;

  private constructor(
    /** The checkout. */
    readonly folder: string,
    readonly pagePort: number,
    readonly prometheusPort: number,
    private environment: NodeJS.ProcessEnv,
    private readonly overlays: readonly string[],
  ) {}

  /** @param settings what a user would put into `.env` */
  static async create(
    images: ContainerImages,
    settings: Readonly<Record<string, string>>,
    overlays: readonly string[] = [],
  ): Promise<ComposeCluster> {
    const [page, prometheus, grafana] = await Promise.all([freePort(), freePort(), freePort()]);
    return new ComposeCluster(
      await freshCheckout(),
      page,
      prometheus,
      {
        GAN_IMAGE: images.gan,
        ...(images.grafana === null ? {} : { GAN_GRAFANA_IMAGE: images.grafana }),
        GAN_PAGE_PORT: String(page),
        GAN_PROMETHEUS_PORT: String(prometheus),
        GAN_GRAFANA_PORT: String(grafana),
        ...settings,
      },
      overlays,
    );
  }

  /** Changes settings for the commands that follow. */
  set(settings: Readonly<Record<string, string>>): void {
    this.environment = { ...this.environment, ...settings };
  }

  /** Any `docker compose` command, to its end; with Ctrl-C once it has printed `interruptAt`. */
  compose(args: readonly string[], timeoutMs = 240_000, interruptAt?: string): Promise<CommandEnd> {
    const files = ['compose.yaml', ...this.overlays].flatMap((file) => ['-f', file]);
    return run('docker', ['compose', ...files, '-p', this.project, ...args], {
      cwd: this.folder,
      env: this.environment,
      timeoutMs,
      interruptAt,
    });
  }

  /** One that is to succeed. */
  async must(...args: string[]): Promise<string> {
    const end = await this.compose(args);
    if (end.status !== 0) throw new Error(`docker compose ${args.join(' ')}: ${end.stderr}${end.stdout}`);
    return end.stdout.trim();
  }

  /** Ids of the containers of a service that run. */
  async containers(service: string): Promise<string[]> {
    const text = await this.must('ps', '-q', service);
    return text === '' ? [] : text.split('\n');
  }

  async container(service: string): Promise<string> {
    const [id] = await this.containers(service);
    if (id === undefined) throw new Error(`a container of ${service} was expected, none runs`);
    return id;
  }

  /** A container's own exit status, once it has ended. */
  async exitStatus(service: string): Promise<number> {
    const id = await this.must('ps', '-aq', service);
    return Number(await docker('wait', id));
  }

  /** Kills what a container runs, not its init process, from inside: the restart policy is left to do the rest. */
  async killProcess(id: string): Promise<void> {
    await docker('exec', id, 'sh', '-c', KILL_WHAT_RUNS);
  }

  /** What the coordinator says of the run; null while it does not answer. */
  async artifacts(): Promise<Artifacts | null> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.pagePort}/artifacts/`, {
        signal: AbortSignal.timeout(2_000),
      });
      return artifactsSchema.parse(await answer.json());
    } catch {
      return null; // asked again
    }
  }

  /** Workers in the ring, as the live page shows them; null while the coordinator does not answer. */
  async workers(): Promise<number | null> {
    const socket = new WebSocket(`ws://127.0.0.1:${this.pagePort}${LIVE_PATH}`, { handshakeTimeout: 2_000 });
    try {
      const messages = on(socket, 'message', { signal: AbortSignal.timeout(2_000) });
      for await (const [data] of messages as AsyncIterable<[Buffer]>) {
        const message = liveMessageSchema.parse(JSON.parse(data.toString('utf8')));
        if (message.kind === 'now') return message.status.workers;
      }
      return null;
    } catch {
      return null; // asked again
    } finally {
      socket.on('error', () => undefined).terminate();
    }
  }

  /** Waits until the run stands at a step or beyond. */
  async reach(step: number): Promise<Artifacts> {
    return this.until(`step ${step}`, async () => {
      const found = await this.artifacts();
      return found !== null && found.step >= step ? found : null;
    });
  }

  async done(): Promise<Artifacts> {
    return this.until('the end of the run', async () => {
      const found = await this.artifacts();
      if (found?.outcome === 'failed') throw new Error('the run failed');
      return found?.outcome === 'done' ? found : null;
    });
  }

  /** Waits until `look` finds something; the containers' logs are in the error when it does not. */
  async until<T>(what: string, look: () => Promise<T | null>, timeoutMs = 180_000): Promise<T> {
    const options = { everyMs: ASK_EVERY_MS, deadlineMs: timeoutMs, signal: undefined };
    const found = await pollUntil(look, options);
    if (found !== null) return found;
    const { stdout } = await this.compose(['logs', '--tail', '60']);
    throw new Error(`waited ${timeoutMs / 1000} s for ${what}:\n${stdout}`);
  }

  /** The value of an expression that has one series at most, from the cluster's Prometheus. */
  async query(expression: string): Promise<number | null> {
    const url = new URL(`http://127.0.0.1:${this.prometheusPort}/api/v1/query`);
    url.searchParams.set('query', expression);
    const answer = await fetch(url).catch(() => null);
    if (answer === null) return null;
    const { data } = (await answer.json()) as { data: { result: { value: [number, string] }[] } };
    const [first] = data.result;
    return first === undefined ? null : Number(first.value[1]);
  }

  /** Removes everything: containers, volumes, network, checkout. */
  async close(): Promise<void> {
    await this.compose(['--profile', 'fetch', 'down', '--volumes', '--remove-orphans', '--timeout', '2']);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
