import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { OperationalError, messageOf, stepOf, stepsPerPass } from '../proto/index.js';
import { Bus } from '../proto/runtime/bus.js';
import { plannedFaults } from '../proto/runtime/fault-injection.js';
import { HttpEndpoint } from '../proto/runtime/http-endpoint.js';
import type { Log } from '../proto/runtime/log.js';
import { metricsApp } from '../proto/runtime/metrics-app.js';
import { refusalLog } from '../proto/runtime/refusal-log.js';
import { Coordinator, DEPOSED, type CoordinatorParts, type Ended } from './coordinator.js';
import { openDataset, type Dataset } from './dataset/index.js';
import { Leadership } from './leadership.js';
import { EventFile } from './live/index.js';
import { ServedRun } from './metrics/index.js';
import { openRun, type Length, type SpecRequest } from './open-run.js';
import { ResultFolder } from './result-folder.js';
import { initialRunState } from './run-state.js';
import { RunStore } from './run-store.js';
import { runGrid, SampleShelf } from './samples/index.js';
import { watchRun } from './watched-run.js';

/** A NATS server that is started at the same time, or is just being started again. */
const NATS_WAIT_MS = 5_000;
/** Two scrapes of deploy/prometheus/prometheus.yml, and a little more. */
const LAST_SCRAPE_MS = 12_000;
/** The drawn digits are one dataset like MNIST, the same for every run. */
const SYNTHETIC_SEED = 1;

export interface CoordinatorOptions extends SpecRequest {
  readonly runId: string;
  readonly cluster: string;
  readonly natsUrl: string;
  readonly natsCredentialsFile: string | undefined;
  readonly tlsCaFile: string | undefined;
  readonly data: string;
  readonly cacheFolder: string;
  readonly length: Length | null;
  readonly prefetch: number;
  readonly workers: number;
  readonly waitWorkersS: number;
  readonly checkpointEveryS: number;
  /** Sample images are made this often; null for once a pass. */
  readonly sampleEverySteps: number | null;
  /** Where the live page is; 0 for a free port. */
  readonly httpPort: number;
  /** Where `/metrics`, `/healthz` and `/readyz` are; 0 for a free port. */
  readonly metricsPort: number;
  /** The address on which both are served. */
  readonly httpHost: string;
  /** Names by which the page is reached, beside `localhost` and addresses. */
  readonly httpAllowedHosts: readonly string[];
  readonly out: string;
  readonly resume: boolean;
  readonly refusalEndsRun: boolean;
}

/**
 * Runs one training from first hello to last file, or stands by for another coordinator that does. `stop` ends it early,
 * with a checkpoint.
 */
export async function runCoordinator(
  options: CoordinatorOptions,
  log: Log,
  stop: AbortSignal,
): Promise<Ended> {
  const served = new ServedRun();
  let endpoint: HttpEndpoint | null = null;
  try {
    endpoint = await HttpEndpoint.listen({
      ...{
        app: metricsApp(served),
        host: options.httpHost,
        port: options.metricsPort,
        flag: '--metrics-port',
      },
    });
    log.info({ host: options.httpHost, port: endpoint.port }, 'tells its metrics');
    const dataset = openDataset(options.data, {
      seed: SYNTHETIC_SEED,
      cacheFolder: options.cacheFolder,
      signal: stop,
    });
    dataset.catch(() => undefined); // it is read while the lead is being taken
    for (;;) {
      const ended = await leadOnce(options, dataset, served, log, stop);
      if (ended === DEPOSED) {
        served.stop();
        continue;
      }
      // A port that was named is one that somebody scrapes: who saw the end raises no alarm over the silence after it.
      if (options.metricsPort !== 0) await lastScrape(stop);
      return ended;
    }
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    const exitStatus = error.code === 'usage' || error.code === 'dataset' ? 2 : 1;
    return { outcome: 'failed', exitStatus, message: messageOf(error) };
  } finally {
    await endpoint?.close();
  }
}

/** Time for Prometheus to come once more, unless this process is asked to go. */
async function lastScrape(stop: AbortSignal): Promise<void> {
  await delay(LAST_SCRAPE_MS, undefined, { signal: stop }).catch(() => undefined); // only an abort rejects it
}

/** One lead, with a connection of its own: nothing of a lead that was lost stays subscribed. */
async function leadOnce(
  options: CoordinatorOptions,
  datasetOpening: Promise<Dataset>,
  served: ServedRun,
  log: Log,
  stop: AbortSignal,
): Promise<Ended | typeof DEPOSED> {
  const bus = await Bus.connect({
    url: options.natsUrl,
    credentialsFile: options.natsCredentialsFile,
    tlsCaFile: options.tlsCaFile,
    cluster: options.cluster,
    waitMs: NATS_WAIT_MS,
    name: 'gan-cluster coordinator',
    onInvalid: refusalLog(log, () => performance.now()),
  });
  const nowMs = (): number => performance.now();
  try {
    const store = await RunStore.open(bus.connection, options.runId);
    const holder = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
    const lead = await Leadership.acquire({ store, holder, nowMs, log }, stop);
    if (lead === null) return { outcome: 'interrupted', exitStatus: 0, message: 'stopped while standing by' };
    if (!(lead instanceof Leadership)) return lead;
    log.info({ term: lead.term }, 'leads');
    try {
      const dataset = await datasetOpening;
      const fault = plannedFaults(process.env, 'coordinator');
      return await coordinate(
        options,
        { bus, store, lead, dataset, log, nowMs, fault },
        holder,
        served,
        stop,
      );
    } finally {
      lead.release();
    }
  } catch (error) {
    if (error instanceof OperationalError) {
      const exitStatus = error.code === 'usage' || error.code === 'dataset' ? 2 : 1;
      const message = messageOf(error).slice(0, 4_000);
      bus.out('ended', { runId: options.runId, outcome: 'failed', exitStatus, message });
    }
    throw error;
  } finally {
    await bus.close();
  }
}

async function coordinate(
  options: CoordinatorOptions,
  parts: Omit<CoordinatorParts, 'folder' | 'history' | 'samples'>,
  holder: string,
  served: ServedRun,
  stop: AbortSignal,
): Promise<Ended | typeof DEPOSED> {
  const { store, dataset, lead, log } = parts;
  await store.refresh();
  const { length, resume } = options;
  const { spec, steps, checkpoint, history } = await openRun(store, options, length, dataset, resume);
  if (checkpoint !== null && stepOf(checkpoint.update) === steps) {
    log.info({ steps }, 'the run is complete: it is exported again');
  }
  const plan = {
    runId: options.runId,
    steps,
    prefetch: options.prefetch,
    expectedWorkers: options.workers,
    waitWorkersMs: options.waitWorkersS * 1000,
    checkpointEveryMs: options.checkpointEveryS * 1000,
    sampleEverySteps: options.sampleEverySteps ?? stepsPerPass(spec),
    refusalEndsRun: options.refusalEndsRun,
  };
  const folder = new ResultFolder(options.out);
  folder.create();
  const state = initialRunState(plan, spec, store.recorded, lead.term, parts.nowMs());
  const samples = await SampleShelf.open({
    ...{ out: options.out, stepsPerPass: stepsPerPass(spec), grid: runGrid(dataset.imageSize) },
    onWarning: (text) => log.warn(text),
  });
  const events = await EventFile.open(options.out, (text) => log.warn(text));
  const coordinator = new Coordinator(state, { ...parts, folder, history, samples });
  const watched = await watchRun({
    ...{ coordinator, holder, history, samples, events, served, log, nowMs: parts.nowMs },
    ...{ httpHost: options.httpHost, httpPort: options.httpPort, allowedHosts: options.httpAllowedHosts },
    rejections: parts.bus.rejections,
  });
  const onStop = (): void => coordinator.requestStop();
  stop.addEventListener('abort', onStop);
  if (stop.aborted) onStop();
  try {
    const ended = await coordinator.ended;
    await watched.end(ended === DEPOSED ? null : ended);
    return ended;
  } finally {
    stop.removeEventListener('abort', onStop);
  }
}
