import type { Rejections } from '../proto/runtime/rejections.js';
import { compiledUrl } from '../proto/runtime/compiled-url.js';
import type { Log } from '../proto/runtime/log.js';
import { runArtifacts } from './artifacts.js';
import type { Coordinator, Ended } from './coordinator.js';
import type { History } from './history.js';
import type { NewestShelf } from './newest-shelf.js';
import type { ResultFolder } from './result-folder.js';
import { LiveFeed, LiveServer, type EventFile } from './live/index.js';
import { RunMetrics, type ServedRun } from './metrics/index.js';
import type { SampleShelf } from './samples/index.js';

export interface WatchedRunOptions {
  readonly coordinator: Coordinator;
  /** Of the process that leads. */
  readonly holder: string;
  readonly history: History;
  readonly samples: SampleShelf;
  readonly events: EventFile;
  readonly rejections: Rejections;
  readonly served: ServedRun;
  readonly folder: ResultFolder;
  readonly newest: NewestShelf;
  readonly httpHost: string;
  readonly httpPort: number;
  readonly allowedHosts: readonly string[];
  readonly nowMs: () => number;
  readonly log: Log;
}

/** A run that can be watched: by its metrics and on the live page. */
export interface WatchedRun {
  /** Tells the last word of a run that has ended. */
  end(ended: Ended): Promise<void>;
  /** Serves it no more. */
  close(): Promise<void>;
}

/** Opens all by which a run can be watched. Throws UsageError when a port is taken. */
export async function watchRun(options: WatchedRunOptions): Promise<WatchedRun> {
  const { coordinator, samples, events, nowMs, log } = options;
  const read = { state: () => coordinator.now, status: () => coordinator.status(), nowMs };
  const metrics = new RunMetrics({ ...read, rejections: options.rejections });
  const feed = new LiveFeed({
    ...{ ...read, coordinator: options.holder, history: options.history, events },
    sampleSteps: () => samples.steps(),
    unixMs: () => Date.now(),
  });
  coordinator.observe(metrics);
  coordinator.observe(feed);
  options.served.start(metrics.registry, () =>
    coordinator.now.connected ? null : 'the NATS server does not answer',
  );
  const server = await LiveServer.listen({
    ...{ host: options.httpHost, port: options.httpPort, allowedHosts: options.allowedHosts, feed },
    pageFolder: compiledUrl(import.meta.url, '../dashboards/live-page/'),
    samplePng: (step) => samples.png(step),
    result: runArtifacts(coordinator, options.folder, options.newest),
  });
  log.info({ host: options.httpHost, port: server.port }, 'serves the live page');
  return {
    end: ({ outcome, message }) => server.end(outcome, message),
    async close() {
      await server.close();
      await events.settled();
    },
  };
}
