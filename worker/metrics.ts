import { Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { WorkerTotals } from '../proto/index.js';
import { ReadMetrics } from '../proto/runtime/read-metrics.js';
import { REJECTION_REASONS, type Rejections } from '../proto/runtime/rejections.js';
import { PHASES, type PhaseDurations, type ReplicaProgress } from './replica/index.js';
import { REFUSAL_REASONS, type RefusalReason } from './ring/index.js';

/** From an addition on a small ring to a shard of thousands of images on a slow machine. */
const PHASE_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];
/** Where the time of an update goes. */
const TIMED_PHASES = ['wait', 'compute', 'reduce', 'update'] as const;

export interface WorkerMetricsParts {
  readonly rejections: Rejections;
  /** Peers that the ring's port has refused, by reason. */
  readonly refusals: () => Readonly<Record<RefusalReason, number>>;
  readonly progress: () => ReplicaProgress;
  /** Times that the connection to NATS was made again. */
  readonly reconnects: () => number;
}

/** All that a worker tells Prometheus. Series exist from the start; labels are closed lists. */
export class WorkerMetrics {
  readonly registry = new Registry();
  private totals: WorkerTotals | null = null;
  private shardBatch = 0;

  private readonly phases = new Histogram({
    name: 'gan_worker_phase_duration_seconds',
    help: 'Time of one update in each of its phases: waiting for shards, computing gradients, summing them in the ring, applying them.',
    labelNames: ['phase'],
    buckets: PHASE_SECONDS,
    registers: [this.registry],
  });
  private readonly info = new Gauge({
    name: 'gan_worker_info',
    help: 'Always 1; its labels tell which worker this is and what computes its gradients.',
    labelNames: ['worker', 'engine', 'engine_version', 'threads'],
    registers: [this.registry],
  });

  constructor(private readonly parts: WorkerMetricsParts) {
    collectDefaultMetrics({ register: this.registry });
    for (const phase of TIMED_PHASES) this.phases.zero({ phase });
    const told = new ReadMetrics(this.registry);
    this.registerTotals(told);
    this.registerProgress(told);
  }

  welcomed({ shardBatch }: { readonly shardBatch: number }): void {
    this.shardBatch = shardBatch;
  }

  /** The engine is up. */
  prepared(info: { worker: string; engine: string; engineVersion: string; threads: number }): void {
    const { worker, engine, engineVersion, threads } = info;
    this.info.reset();
    this.info.set({ worker, engine, engine_version: engineVersion, threads: String(threads) }, 1);
  }

  /** What the replica has done since it last told. */
  observe(totals: WorkerTotals, durations: readonly PhaseDurations[]): void {
    this.totals = totals;
    for (const duration of durations) {
      for (const phase of TIMED_PHASES) this.phases.observe({ phase }, duration[phase] / 1000);
    }
  }

  private registerTotals(told: ReadMetrics): void {
    const { rejections, refusals, reconnects } = this.parts;
    const sum = (pick: (totals: WorkerTotals) => number): number =>
      this.totals === null ? 0 : pick(this.totals);
    told.counter('gan_worker_images_total', 'Training images whose gradients this worker has computed.', () =>
      sum(({ shardsComputed }) => shardsComputed * this.shardBatch),
    );
    told.counter(
      'gan_worker_redos_total',
      'Sums that were done again because a gradient did not fit its range.',
      () => sum(({ redos }) => redos),
    );
    told.counter(
      'gan_worker_nats_reconnects_total',
      'Times that the connection to NATS was made again.',
      reconnects,
    );
    told.counters(
      'gan_worker_ring_bytes_total',
      'Bytes of gradients through the ring, by direction.',
      'direction',
      ['sent', 'received'],
      (direction) =>
        sum((totals) => (direction === 'sent' ? totals.ringBytesSent : totals.ringBytesReceived)),
    );
    told.counters(
      'gan_worker_rejected_peers_total',
      'Connections to the ring port that were refused, by reason.',
      'reason',
      REFUSAL_REASONS,
      (reason) => refusals()[reason],
    );
    told.counters(
      'gan_worker_rejected_messages_total',
      'Control messages that were dropped, by reason.',
      'reason',
      REJECTION_REASONS,
      (reason) => rejections.of(reason),
    );
  }

  private registerProgress(told: ReadMetrics): void {
    const { progress } = this.parts;
    told.gauge(
      'gan_worker_ring_epoch',
      'Number of the ring epoch that the worker follows; 0 before the first.',
      () => progress().ringEpoch,
    );
    told.gauges(
      'gan_worker_phase',
      '1 for what the worker is doing now, 0 for all else.',
      'phase',
      PHASES,
      (phase) => Number(phase === progress().phase),
    );
  }
}
