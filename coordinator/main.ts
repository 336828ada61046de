import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { OperationalError, messageOf, stepOf, stepsPerPass, type NetworkName } from '../proto/index.js';
import { Bus } from '../proto/runtime/bus.js';
import { plannedFaults } from '../proto/runtime/fault-injection.js';
import { HttpEndpoint } from '../proto/runtime/http-endpoint.js';
import type { Log } from '../proto/runtime/log.js';
import { metricsApp } from '../proto/runtime/metrics-app.js';
import { refusalLog } from '../proto/runtime/refusal-log.js';
import { stayAfterEnd } from './after-end.js';
import { Coordinator, DEPOSED, type CoordinatorParts, type Ended } from './coordinator.js';
import { openDataset, type Dataset } from './dataset/index.js';
import { Leadership } from './leadership.js';
import { EventFile, PreparingPage } from './live/index.js';
import { ServedRun } from './metrics/index.js';
import { NewestShelf } from './newest-shelf.js';
import { draftSpec, openRun, type Length, type SpecRequest } from './open-run.js';
import { Preparing } from './preparing.js';
import { ResultFolder } from './result-folder.js';
import { runNameOf } from './run-id.js';
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
  /** Null for a service: its run is named by its RunSpec. */
  readonly runId: string | null;
  /**
   * Takes up the run where it stands, and stays after the end, in order or by a failure, to show it and to give its files
   * out, until it is asked to go.
   */
  readonly service: boolean;
  readonly cluster: string;
  readonly natsUrl: string;
  /** Copies that JetStream keeps of the run; null for those that it has. */
  readonly natsReplicas: number | null;
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
  /** Whose files the result has. */
  readonly networks: readonly NetworkName[];
  /** Where the live page is; 0 for a free port. */
  readonly httpPort: number;
  /** Where `/metrics`, `/healthz` and `/readyz` are; 0 for a free port. */
  readonly metricsPort: number;
  /** The address on which both are served. */
  readonly httpHost: string;
  /** Names by which the page is reached, beside `localhost` and addresses. */
  readonly httpAllowedHosts: readonly string[];
  /** Null for `runs/<runId>`. */
  readonly out: string | null;
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
    let progress = `reading the data: ${options.data}`;
    const dataset = openDataset(options.data, {
      seed: SYNTHETIC_SEED,
      cacheFolder: options.cacheFolder,
      signal: stop,
      onProgress: (line) => log.info((progress = line.trim())),
    });
    dataset.catch(() => undefined); // it is read while the lead is being taken
    const data: OpeningData = { dataset, progress: () => progress };
    for (;;) {
      const ended = await leadOnce(options, data, served, log, stop);
      if (ended === DEPOSED) {
        served.stop();
        continue;
      }
      // A port that was named is one that somebody scrapes: who saw the end raises no alarm over the silence after it.
      if (options.metricsPort !== 0 && !options.service) await lastScrape(stop);
      return ended;
    }
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    return failureOf(error);
  } finally {
    await endpoint?.close();
  }
}

/** Time for Prometheus to come once more, unless this process is asked to go. */
async function lastScrape(stop: AbortSignal): Promise<void> {
  await delay(LAST_SCRAPE_MS, undefined, { signal: stop }).catch(() => undefined); // only an abort rejects it
}

const failureOf = (error: OperationalError): Ended => ({
  outcome: 'failed',
  exitStatus: error.code === 'usage' || error.code === 'dataset' ? 2 : 1,
  message: messageOf(error),
});

/** The training set, which takes its time to come. */
interface OpeningData {
  readonly dataset: Promise<Dataset>;
  /** What is done for it now, in words. */
  readonly progress: () => string;
}

/** An order for one run, with the name that it has by now. */
type RunOrder = CoordinatorOptions & { readonly runId: string; readonly out: string };

/** One lead, with a connection of its own: nothing of a lead that was lost stays subscribed. */
async function leadOnce(
  options: CoordinatorOptions,
  data: OpeningData,
  served: ServedRun,
  log: Log,
  stop: AbortSignal,
): Promise<Ended | typeof DEPOSED> {
  const bus = await Bus.connect({
    url: options.natsUrl,
    credentialsFile: options.natsCredentialsFile,
    tlsCaFile: options.tlsCaFile,
    cluster: options.cluster,
    role: 'coordinator',
    waitMs: NATS_WAIT_MS,
    name: 'gan-cluster coordinator',
    onInvalid: refusalLog(log, () => performance.now()),
  });
  const preparing = new Preparing(bus, data.progress);
  const page = new PreparingPage(
    { host: options.httpHost, port: options.httpPort, allowedHosts: options.httpAllowedHosts },
    data.progress,
  );
  const about: About = { runId: options.runId, term: 0 };
  try {
    const leading = lead(options, data, { bus, served, preparing, page, about }, log, stop);
    return await Promise.race([leading, bus.over]);
  } catch (error) {
    preparing.end();
    if (error instanceof OperationalError) {
      const ended = failureOf(error);
      if (options.service && !stop.aborted && !bus.connection.isClosed()) {
        log.error(ended.message);
        page.fail(ended.message);
        await page.open();
        await stayAfterEnd({ bus, ...about, ended }, stop);
      } else {
        bus.out('ended', { runId: about.runId, ...ended, message: ended.message.slice(0, 4_000) });
      }
    }
    throw error;
  } finally {
    preparing.end();
    await page.close();
    await bus.close();
  }
}

/** What the last word is told with, as far as it is known. */
interface About {
  runId: string | null;
  term: number;
}

interface Surroundings {
  readonly bus: Bus;
  readonly served: ServedRun;
  readonly preparing: Preparing;
  readonly page: PreparingPage;
  readonly about: About;
}

async function lead(
  options: CoordinatorOptions,
  data: OpeningData,
  surroundings: Surroundings,
  log: Log,
  stop: AbortSignal,
): Promise<Ended | typeof DEPOSED> {
  const { bus, preparing, page, about } = surroundings;
  const nowMs = (): number => performance.now();
  if (options.runId === null) await page.open();
  const runId = options.runId ?? runNameOf(draftSpec(options, await data.dataset));
  // Whoever stands by leaves the port to the one that leads.
  await page.close();
  about.runId = runId;
  const store = await RunStore.open(bus.connection, runId, options.natsReplicas);
  const holder = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
  const taken = await Leadership.acquire({ store, holder, nowMs, log }, stop);
  if (taken === null) return { outcome: 'interrupted', exitStatus: 0, message: 'stopped while standing by' };
  if (!(taken instanceof Leadership)) {
    preparing.end();
    if (options.service) await stayAfterEnd({ bus, ...about, ended: taken }, stop);
    return taken;
  }
  about.term = taken.term;
  log.info({ term: taken.term, runId }, 'leads');
  try {
    await page.open();
    const dataset = await data.dataset;
    const fault = plannedFaults(process.env, 'coordinator');
    const order: RunOrder = { ...options, runId, out: options.out ?? `runs/${runId}` };
    const parts = { bus, store, lead: taken, dataset, log, nowMs, fault };
    return await coordinate(order, parts, { ...surroundings, holder }, stop);
  } finally {
    taken.release();
  }
}

async function coordinate(
  options: RunOrder,
  parts: Omit<CoordinatorParts, 'folder' | 'history' | 'samples' | 'newest'>,
  { holder, served, preparing, page }: Surroundings & { readonly holder: string },
  stop: AbortSignal,
): Promise<Ended | typeof DEPOSED> {
  const { store, dataset, lead, log, bus } = parts;
  const { runId, out, length, resume } = options;
  await store.refresh();
  const { spec, steps, checkpoint, history } = await openRun(store, options, length, dataset, resume);
  const folder = new ResultFolder(out);
  folder.create();
  const isDone = checkpoint !== null && stepOf(checkpoint.update) === steps;
  const isKept =
    isDone && options.service && (await folder.isComplete(steps, checkpoint.sha256, options.networks));
  if (isDone && !isKept) log.info({ steps }, 'the run is complete: it is exported again');
  const plan = {
    runId,
    steps,
    prefetch: options.prefetch,
    expectedWorkers: options.workers,
    waitWorkersMs: options.waitWorkersS * 1000,
    checkpointEveryMs: options.checkpointEveryS * 1000,
    sampleEverySteps: options.sampleEverySteps ?? stepsPerPass(spec),
    networks: options.networks,
    refusalEndsRun: options.refusalEndsRun,
  };
  const state = initialRunState(plan, spec, store.recorded, lead.term, parts.nowMs());
  const samples = await SampleShelf.open({
    ...{ out, stepsPerPass: stepsPerPass(spec), grid: runGrid(dataset.imageSize) },
    onWarning: (text) => log.warn(text),
  });
  const events = await EventFile.open(out, (text) => log.warn(text));
  const newest = await NewestShelf.open(out);
  const coordinator = new Coordinator(state, { ...parts, folder, history, samples, newest });
  preparing.end();
  await page.close();
  const watched = await watchRun({
    ...{ coordinator, holder, history, samples, events, served, log, folder, newest, nowMs: parts.nowMs },
    ...{ httpHost: options.httpHost, httpPort: options.httpPort, allowedHosts: options.httpAllowedHosts },
    rejections: bus.rejections,
  });
  const onStop = (): void => coordinator.requestStop();
  stop.addEventListener('abort', onStop);
  if (stop.aborted) onStop();
  if (isKept) coordinator.foundComplete();
  try {
    const ended = await coordinator.ended;
    if (ended !== DEPOSED) {
      await watched.end(ended);
      if (ended.outcome === 'done') await newest.close();
      if (options.service && ended.outcome !== 'interrupted')
        await stayAfterEnd({ bus, runId, term: lead.term, ended }, stop);
    }
    return ended;
  } finally {
    stop.removeEventListener('abort', onStop);
    await watched.close();
    // The folder may be that of the one that leads now.
    if ((await coordinator.ended) !== DEPOSED) await newest.close();
  }
}
