import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { globalBatch, stepOf, stepsPerPass, type OutMessage } from '../../proto/index.js';
import { ReadMetrics } from '../../proto/runtime/read-metrics.js';
import { REJECTION_REASONS, type Rejections } from '../../proto/runtime/rejections.js';
import type { RunChange, RunObserver } from '../observer.js';
import type { CauseKind, Phase, RunState } from '../run-state.js';
import { ExpectedWorkers } from './expected-workers.js';

const CAUSES: readonly CauseKind[] = [
  'first',
  'coordinator',
  'join',
  'leave',
  'lost',
  'fault',
  'mismatch',
  'stall',
];
const PHASES: readonly Phase['kind'][] = [
  'gathering',
  'surveying',
  'writing',
  'training',
  'finishing',
  'ended',
];
const OUTCOMES = ['stored', 'failed'] as const;
/** Steps take from a millisecond on a GPU to seconds on many shards of a slow machine. */
const STEP_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10,
];
const RECOVERY_SECONDS = [0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 120];

type Status = OutMessage<'status'>;

export interface RunMetricsParts {
  readonly rejections: Rejections;
  /** The run as it stands, for what is read when it is asked for. */
  readonly state: () => RunState;
  readonly status: () => Status;
  readonly nowMs: () => number;
}

/** All that the coordinator tells Prometheus. Series exist from the start; labels are closed lists. */
export class RunMetrics implements RunObserver {
  readonly registry = new Registry();
  private readonly expected = new ExpectedWorkers();
  private lastCommitMs: number | null = null;

  private readonly steps = this.counter('gan_steps_total', 'Steps committed by this process.');
  private readonly images = this.counter(
    'gan_images_total',
    'Training images of the steps committed by this process.',
  );
  private readonly skipped = this.counter(
    'gan_skipped_updates_total',
    'Updates that changed nothing because a gradient was not finite.',
  );
  private readonly stepDuration = new Histogram({
    name: 'gan_step_duration_seconds',
    help: 'Time from one committed step to the next; steps that were reported together share their time evenly.',
    buckets: STEP_SECONDS,
    registers: [this.registry],
  });
  private readonly ringEpochs = new Counter({
    name: 'gan_ring_epochs_total',
    help: 'Ring epochs that were begun, by what made one necessary.',
    labelNames: ['reason'],
    registers: [this.registry],
  });
  private readonly recovery = new Histogram({
    name: 'gan_recovery_duration_seconds',
    help: 'Time from a fault to the next committed update.',
    buckets: RECOVERY_SECONDS,
    registers: [this.registry],
  });
  private readonly checkpoints = new Counter({
    name: 'gan_checkpoints_total',
    help: 'Checkpoints, by whether they were stored or failed.',
    labelNames: ['outcome'],
    registers: [this.registry],
  });
  private readonly mismatches = this.counter(
    'gan_replica_mismatches_total',
    'Times that replicas were found to differ in a bit, and all went back to what all had agreed on.',
  );
  private readonly stale = this.counter(
    'gan_stale_messages_total',
    'Messages of a ring epoch or a survey that is over.',
  );

  constructor(private readonly parts: RunMetricsParts) {
    collectDefaultMetrics({ register: this.registry });
    for (const reason of CAUSES) this.ringEpochs.inc({ reason }, 0);
    for (const outcome of OUTCOMES) this.checkpoints.inc({ outcome }, 0);
    this.registerGauges();
    this.registerInfo();
  }

  onChange({ event, before, after, commands, nowMs }: RunChange): void {
    for (const command of commands) {
      if (command.kind !== 'append') continue;
      for (const row of command.rows) if (row.skipped) this.skipped.inc();
    }
    this.countSteps(before, after, nowMs);
    if (event.kind === 'ringWritten' && after.epoch !== before.epoch)
      this.ringEpochs.inc({ reason: event.epoch.cause.kind });
    if (after.mismatches > before.mismatches) this.mismatches.inc();
    if (event.kind === 'checkpointCommitted') this.checkpoints.inc({ outcome: 'stored' });
    else if (after.failedCheckpoints > before.failedCheckpoints) this.checkpoints.inc({ outcome: 'failed' });
    if (before.fault !== null && after.fault === null)
      this.recovery.observe((nowMs - before.fault.atMs) / 1000);
    if (isStale(event, before)) this.stale.inc();
    this.observeWorkers(after, nowMs);
  }

  private countSteps(before: RunState, after: RunState, nowMs: number): void {
    const steps = stepOf(after.committed) - stepOf(before.committed);
    // Rows that are told again to a coordinator that came back are no speed.
    const isTraining = after.phase.kind === 'training' || after.phase.kind === 'finishing';
    if (before.phase.kind !== 'training') this.lastCommitMs = null;
    if (steps <= 0 || !isTraining) return;
    this.steps.inc(steps);
    this.images.inc(steps * globalBatch(after.spec));
    if (this.lastCommitMs !== null) {
      const seconds = (nowMs - this.lastCommitMs) / 1000 / steps;
      for (let i = 0; i < steps; i++) this.stepDuration.observe(seconds);
    }
    this.lastCommitMs = nowMs;
  }

  private observeWorkers({ workers }: RunState, nowMs: number): void {
    const known = [...workers.values()].map(({ name, ready, leaving }) => ({
      name,
      ready,
      leaving: leaving !== null,
    }));
    this.expected.observe(known, nowMs);
  }

  private counter(name: string, help: string): Counter {
    const counter = new Counter({ name, help, registers: [this.registry] });
    counter.inc(0);
    return counter;
  }

  private registerGauges(): void {
    const { state, status, nowMs, rejections } = this.parts;
    const told = new ReadMetrics(this.registry);
    told.gauge(
      'gan_step',
      'Steps committed since the run began, also by processes before this one.',
      () => status().step,
    );
    told.gauge('gan_steps_planned', 'Steps that the run is to have.', () => status().steps);
    told.gauge('gan_steps_per_pass', 'Steps of one pass over the training set.', () =>
      stepsPerPass(state().spec),
    );
    told.gauge(
      'gan_discriminator_loss',
      'Loss of the discriminator in the newest committed step.',
      () => status().discriminatorLoss,
    );
    told.gauge(
      'gan_generator_loss',
      'Loss of the generator in the newest committed step.',
      () => status().generatorLoss,
    );
    told.gauge('gan_workers', 'Workers in the ring.', () => status().workers);
    told.gauge('gan_spares', 'Workers that are ready and have no shard to compute.', () => status().spares);
    told.gauge(
      'gan_workers_kept_out',
      'Workers that failed again and again and are kept out for a while.',
      () => status().keptOut,
    );
    told.gauge(
      'gan_workers_expected',
      'Workers that joined and have not left in order; a lost one is expected for ten minutes more.',
      () => {
        this.observeWorkers(state(), nowMs());
        return this.expected.count;
      },
    );
    told.gauge('gan_ring_epoch', 'Number of the ring epoch; it only grows.', () => status().ringEpoch);
    told.gauge('gan_checkpoint_step', 'Step of the newest checkpoint; -1 before the first one.', () => {
      const { checkpoint } = state();
      return checkpoint === null ? -1 : stepOf(checkpoint.update);
    });
    told.gauge(
      'gan_checkpoint_age_seconds',
      'Time since the newest checkpoint, or since this process began where there is none of its time.',
      () => (nowMs() - state().checkpointedMs) / 1000,
    );
    told.gauge(
      'gan_commit_age_seconds',
      'Time since something was last committed while workers train; 0 otherwise.',
      () => {
        const { phase, pace } = state();
        return phase.kind === 'training' ? (nowMs() - pace.sinceMs) / 1000 : 0;
      },
    );
    told.gauges(
      'gan_discriminator_output',
      'Mean output of the discriminator in the newest committed step: D(x) for real images, D(G(z)) for made ones.',
      'input',
      ['real', 'fake'],
      (input) => (input === 'real' ? status().discriminatorReal : status().discriminatorFake),
    );
    told.gauges('gan_phase', '1 for what the run is doing now, 0 for all else.', 'phase', PHASES, (phase) =>
      Number(state().phase.kind === phase),
    );
    told.counters(
      'gan_rejected_messages_total',
      'Control messages that were dropped, by reason.',
      'reason',
      REJECTION_REASONS,
      (reason) => rejections.of(reason),
    );
  }

  private registerInfo(): void {
    const { state } = this.parts;
    new Gauge({
      name: 'gan_run_info',
      help: 'Always 1; its labels tell which run this is.',
      labelNames: ['run', 'dataset', 'engine', 'recipe', 'seed', 'shards', 'shard_batch'],
      registers: [this.registry],
      collect() {
        const { plan, spec } = state();
        const { dataset, engine, recipe, seed, shards, shardBatch } = spec;
        this.reset();
        const run = { run: plan.runId, dataset: dataset.name, engine, recipe: recipe.name };
        this.set({ ...run, seed: String(seed), shards: String(shards), shard_batch: String(shardBatch) }, 1);
      },
    });
  }
}

/** Whether a message is of a ring epoch or survey that is over. */
function isStale(event: RunChange['event'], { epoch, phase, surveys }: RunState): boolean {
  const current = epoch?.ringEpoch ?? 0;
  if (event.kind === 'standing') return phase.kind !== 'surveying' || event.message.survey < surveys;
  if (event.kind === 'started' || event.kind === 'report' || event.kind === 'need')
    return event.message.ringEpoch < current;
  return false;
}
