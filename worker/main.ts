import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { messageOf, OperationalError } from '../proto/index.js';
import { Bus } from '../proto/runtime/bus.js';
import { plannedFaults } from '../proto/runtime/fault-injection.js';
import { HttpEndpoint } from '../proto/runtime/http-endpoint.js';
import type { Log } from '../proto/runtime/log.js';
import { metricsApp } from '../proto/runtime/metrics-app.js';
import { refusalLog } from '../proto/runtime/refusal-log.js';
import { readTlsIdentity } from '../proto/runtime/tls-files.js';
import { Agent, type WorkerEnd } from './agent.js';
import { askedDevice, chooseEngine, probeEngines, thisHost } from './engine/index.js';
import { WorkerMetrics } from './metrics.js';
import { ownAddressTowards } from './own-address.js';
import { ReplicaHost } from './replica/index.js';

/** A NATS server that is started at the same time, or is just being started again. */
const NATS_WAIT_MS = 5_000;

export interface WorkerOptions {
  /** What users see; by default host name and process id. */
  readonly name: string | undefined;
  readonly cluster: string;
  readonly natsUrl: string;
  readonly natsCredentialsFile: string | undefined;
  readonly tlsCaFile: string | undefined;
  /** With both, and the authority, the ring speaks TLS. */
  readonly ringCertificateFile: string | undefined;
  readonly ringKeyFile: string | undefined;
  /** `auto` for the address from which this machine reaches the NATS server. */
  readonly advertiseHost: string;
  readonly ringPort: number;
  /** Where `/metrics`, `/healthz` and `/readyz` are; 0 for a free port. */
  readonly metricsPort: number;
  readonly httpHost: string;
  /** `auto`, or the one engine that this worker may use. */
  readonly engine: string;
  /** The NVIDIA GPU to compute on, as the user named it; undefined to be leased one. */
  readonly device: string | undefined;
  /** Threads that the engine may use where that changes no bit. */
  readonly engineThreads: number;
  /** A run that is over in order is not the end: the worker waits for another one. */
  readonly service: boolean;
}

/** Runs a worker until its run is over, `stop` asks it to leave in order, or `kill` at once. */
export async function runWorker(
  options: WorkerOptions,
  log: Log,
  stop: AbortSignal,
  kill: AbortSignal,
): Promise<WorkerEnd> {
  for (;;) {
    const end = await workForOneRun(options, log, stop, kill);
    if (!options.service || end.exitStatus !== 0 || stop.aborted || kill.aborted) return end;
  }
}

/** As a service, returns only when there is another run. */
async function workForOneRun(
  options: WorkerOptions,
  log: Log,
  stop: AbortSignal,
  kill: AbortSignal,
): Promise<WorkerEnd> {
  let bus: Bus | null = null;
  let objects: Bus | null = null;
  let replica: ReplicaHost | null = null;
  let endpoint: HttpEndpoint | null = null;
  try {
    const name =
      options.name ??
      `${hostname()
        .replace(/[^A-Za-z0-9_-]/g, '-')
        .slice(0, 40)}-${process.pid}`;
    // Of this process alone: a worker that is started again is another one to the coordinator.
    const workerId = `${name.slice(0, 56)}-${randomBytes(3).toString('hex')}`;
    const fault = plannedFaults(process.env, name);
    const probes = await probeEngines(process.env);
    const choice = chooseEngine(probes, options.engine);
    const device =
      options.device === undefined
        ? null
        : askedDevice(
            options.device,
            await thisHost.nvidiaGpus(),
            choice.name,
            probes.find(({ name }) => name === choice.name)?.devices ?? [],
          );
    // Listens beyond loopback only when others are to reach it there.
    const loopback = options.advertiseHost === '127.0.0.1' || options.advertiseHost === 'localhost';
    const connect = (what: string): Promise<Bus> =>
      Bus.connect({
        url: options.natsUrl,
        credentialsFile: options.natsCredentialsFile,
        tlsCaFile: options.tlsCaFile,
        cluster: options.cluster,
        role: 'worker',
        waitMs: NATS_WAIT_MS,
        name: `gan-cluster ${what} ${workerId}`,
        onInvalid: refusalLog(log, () => performance.now()),
      });
    const tls = readTlsIdentity(
      {
        caFile: options.tlsCaFile,
        certificateFile: options.ringCertificateFile,
        keyFile: options.ringKeyFile,
      },
      new Date(),
    );
    const connecting = connect('worker');
    connecting.catch(() => undefined); // both start at once; a port that is taken is told first
    replica = await ReplicaHost.start({
      workerId,
      name,
      ringHost: loopback ? '127.0.0.1' : '0.0.0.0',
      ringPort: options.ringPort,
      ringTls: tls,
      engineThreads: options.engineThreads,
    });
    bus = await connecting;
    objects = await connect('objects of');
    const { httpHost, natsUrl } = options;
    const advertiseHost = (): Promise<string> =>
      options.advertiseHost === 'auto' ? ownAddressTowards(natsUrl) : Promise.resolve(options.advertiseHost);
    const [toReplica, toBus] = [replica, bus];
    const metrics = new WorkerMetrics({
      rejections: bus.rejections,
      refusals: () => toReplica.refusals(),
      progress: () => toReplica.progress(),
      reconnects: () => toBus.reconnects,
    });
    const agent = new Agent(
      bus,
      replica,
      {
        ...{ workerId, name, advertiseHost, ringTls: tls !== undefined, probes, fault, metrics },
        ...{ engine: choice.name, askedEngine: options.engine, device },
        objects: objects.connection,
      },
      log,
    );
    const app = metricsApp({ registry: () => metrics.registry, unready: () => agent.unready() });
    endpoint = await HttpEndpoint.listen({
      ...{ app, host: httpHost, port: options.metricsPort, flag: '--metrics-port' },
    });
    log.info({ host: httpHost, port: endpoint.port }, 'tells its metrics');
    const onStop = (): void => agent.leave('asked to stop');
    stop.addEventListener('abort', onStop);
    if (stop.aborted) onStop();
    kill.addEventListener('abort', () => agent.go('asked twice to stop'));
    const lost = Promise.race([bus.over, objects.over]);
    const end = await Promise.race([agent.ended, lost]).finally(() => {
      agent.close();
      stop.removeEventListener('abort', onStop);
    });
    if (!options.service || end.exitStatus !== 0 || stop.aborted) return end;
    // Asked for before anything else is awaited: the next coordinator may be about to announce itself.
    const another = nextRun(bus, stop);
    log.info({ reason: end.message }, 'waits for another run');
    await replica.close();
    replica = null;
    await Promise.race([another, lost]);
    return end;
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    return {
      exitStatus: error.code === 'usage' || error.code === 'engine-unavailable' ? 2 : 1,
      message: messageOf(error),
    };
  } finally {
    await endpoint?.close();
    await bus?.close();
    await objects?.close();
    await replica?.close();
  }
}

/** Resolves when a coordinator announces itself, or may have done so unheard, or `stop` comes. */
function nextRun(bus: Bus, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    bus.onAll('announce', () => resolve());
    bus.onConnection((up) => {
      if (up) resolve();
    });
    stop.addEventListener('abort', () => resolve());
  });
}
