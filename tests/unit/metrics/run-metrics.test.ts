import { beforeEach, describe, expect, it } from 'vitest';
import { RunMetrics } from '../../../coordinator/metrics/run-metrics.js';
import { advance } from '../../../coordinator/run-machine.js';
import type { RunCommand, RunEvent } from '../../../coordinator/run-state.js';
import { statusOf } from '../../../coordinator/status.js';
import { Rejections } from '../../../proto/runtime/rejections.js';
import { Driver } from '../coordinator/driver.js';

/** Tells the metrics of everything, as the coordinator does. */
class Observed extends Driver {
  readonly rejections = new Rejections();
  readonly metrics = new RunMetrics({
    rejections: this.rejections,
    state: () => this.state,
    status: () => statusOf(this.state, null, null),
    nowMs: () => this.nowMs,
  });

  override send(event: RunEvent): readonly RunCommand[] {
    const before = this.state;
    const { state, commands } = advance(before, event, this.nowMs);
    super.send(event);
    this.metrics.onChange({ event, before, after: state, commands, nowMs: this.nowMs });
    return commands;
  }

  /** The value of one series; undefined when it is not told. */
  async value(name: string, labels: Record<string, string> = {}): Promise<number | undefined> {
    const base = name.replace(/_(sum|count|bucket)$/, '');
    const metric = this.metrics.registry.getSingleMetric(name) ?? this.metrics.registry.getSingleMetric(base);
    const found = await metric?.get();
    return found?.values.find(
      (sample) =>
        (('metricName' in sample ? sample.metricName : name) as string) === name &&
        Object.entries(labels).every(
          ([key, value]) => (sample.labels as Record<string, unknown>)[key] === value,
        ),
    )?.value;
  }
}

let run: Observed;
beforeEach(() => {
  run = new Observed({ plan: { checkpointEveryMs: 1_000 } });
});

describe('the metrics of a run', () => {
  it('are there from the start, with zeros where nothing has happened', async () => {
    expect(await run.value('gan_steps_total')).toBe(0);
    expect(await run.value('gan_ring_epochs_total', { reason: 'lost' })).toBe(0);
    expect(await run.value('gan_checkpoints_total', { outcome: 'failed' })).toBe(0);
    expect(await run.value('gan_rejected_messages_total', { reason: 'schema' })).toBe(0);
    expect(await run.value('gan_phase', { phase: 'gathering' })).toBe(1);
    expect(await run.value('gan_checkpoint_step')).toBe(-1);
    expect(await run.value('gan_workers')).toBe(0);
    expect(await run.value('gan_discriminator_loss')).toBeUndefined();
  });

  it('have names, help texts and labels as Prometheus wants them', async () => {
    const text = await run.metrics.registry.metrics();
    const names = [...text.matchAll(/^# TYPE (gan_\S+) (\S+)$/gm)].map(([, name, type]) => ({ name, type }));
    expect(names.length).toBeGreaterThan(20);
    for (const { name = '', type } of names) {
      expect(helpOf(text, name)).toMatch(/^.{15,}\.$/);
      expect(name.endsWith('_total')).toBe(type === 'counter');
    }
  });

  it('count steps and images as they are committed, and how long a step takes', async () => {
    run.train('a', 'b');
    run.nowMs = 1_000;
    run.report('a', [0, 1]);
    run.nowMs = 1_040;
    run.report('a', [2, 3, 4, 5]);
    expect(await run.value('gan_steps_total')).toBe(3);
    expect(await run.value('gan_images_total')).toBe(120);
    expect(await run.value('gan_step')).toBe(3);
    expect(await run.value('gan_step_duration_seconds_count')).toBe(2);
    expect(await run.value('gan_step_duration_seconds_sum')).toBeCloseTo(0.04);
  });

  it('tell of a worker that was lost: the ring epoch, the time it cost, and that it is expected', async () => {
    run.train('a', 'b');
    run.reach(2);
    run.nowMs = 5_000;
    run.exited('b');
    run.stand('a', 2);
    run.begin();
    run.nowMs = 5_500;
    run.report('a', [2, 3]);
    expect(await run.value('gan_ring_epochs_total', { reason: 'lost' })).toBe(1);
    expect(await run.value('gan_recovery_duration_seconds_sum')).toBe(0.5);
    expect(await run.value('gan_workers')).toBe(1);
    expect(await run.value('gan_workers_expected')).toBe(2);
  });

  it('do not expect one that left in order', async () => {
    run.train('a', 'b');
    run.leaves('b');
    run.allStand(0, 'a', 'b');
    run.begin();
    run.goodbye('b');
    expect(await run.value('gan_workers_expected')).toBe(1);
    expect(await run.value('gan_ring_epochs_total', { reason: 'leave' })).toBe(1);
  });

  it('tell of checkpoints: how many, which is the newest, and how old it is', async () => {
    run.train('a', 'b');
    run.pass(1_000);
    run.completeCheckpoint();
    run.nowMs += 2_500;
    expect(await run.value('gan_checkpoints_total', { outcome: 'stored' })).toBe(1);
    expect(await run.value('gan_checkpoint_step')).toBe(2);
    expect(await run.value('gan_checkpoint_age_seconds')).toBe(2.5);
    run.pass(1_000);
    run.taskFails(run.state.checkpointTask?.task ?? '');
    expect(await run.value('gan_checkpoints_total', { outcome: 'failed' })).toBe(1);
  });

  it('tell of replicas that differ, skipped updates and stale messages', async () => {
    run.train('a', 'b');
    run.report('a', [0, 1], { fingerprints: [2], row: { skipped: true } });
    run.report('b', [], { nextUpdate: 2, fingerprints: [2], wrong: true });
    expect(await run.value('gan_replica_mismatches_total')).toBe(1);
    expect(await run.value('gan_skipped_updates_total')).toBe(2);
    run.allStand(2, 'a', 'b');
    run.begin();
    run.report('a', [2, 3], { ringEpoch: run.ringEpoch - 1 });
    expect(await run.value('gan_stale_messages_total')).toBe(1);
  });
});

/** The help text of a metric, in Prometheus' text format. */
const helpOf = (text: string, name: string): string =>
  text
    .split('\n')
    .find((line) => line.startsWith(`# HELP ${name} `))
    ?.slice(`# HELP ${name} `.length) ?? '';
