import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exposedMetrics, ganMetrics } from './exposed-metrics.js';
import { loadedRules } from './loaded-rules.js';
import { PROMETHEUS_FOLDER } from './local-config.js';

/** What the design promises, with the labels it names. */
const PROMISED: Readonly<Record<string, readonly string[]>> = {
  gan_steps_total: [],
  gan_images_total: [],
  gan_discriminator_loss: [],
  gan_generator_loss: [],
  gan_discriminator_output: ['input'],
  gan_workers: [],
  gan_workers_expected: [],
  gan_spares: [],
  gan_ring_epochs_total: ['reason'],
  gan_step_duration_seconds: [],
  gan_checkpoints_total: ['outcome'],
  gan_stale_messages_total: [],
  gan_replica_mismatches_total: [],
  gan_run_info: [],
  gan_worker_phase_duration_seconds: ['phase'],
  gan_worker_images_total: [],
  gan_worker_ring_bytes_total: ['direction'],
  gan_worker_rejected_peers_total: ['reason'],
  gan_worker_info: ['engine'],
};
/** Would have a series for each, without end. */
const UNBOUNDED = ['step', 'shard', 'worker', 'worker_id'];

const PAGE = readFileSync(join(PROMETHEUS_FOLDER, 'README.md'), 'utf8');

/** Cells of the rows of the table that has this header, backticks taken off. */
function table(header: readonly string[]): string[][] {
  const cells = (line: string): string[] =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '').replaceAll('\\|', '|'));
  const lines = PAGE.split('\n');
  const start = lines.findIndex((line) => line.startsWith('|') && cells(line).join() === header.join());
  expect(start, `a table with the header ${header.join(', ')}`).toBeGreaterThanOrEqual(0);
  const rest = lines.slice(start + 2);
  const end = rest.findIndex((line) => !line.startsWith('|'));
  return rest.slice(0, end).map(cells);
}

describe('exposed metrics', () => {
  it('are those of the design, among others', () => {
    const byName = new Map(ganMetrics.map(({ name, labels }) => [name, labels]));
    for (const [name, labels] of Object.entries(PROMISED))
      expect(byName.get(name), name).toEqual(expect.arrayContaining([...labels]));
  });

  it('have help texts that are sentences', () => {
    for (const { name, help } of ganMetrics) expect(help, name).toMatch(/^[\p{Lu}\d].+\.$/u);
  });

  it('are named as Prometheus has it: base units last, _total for counters and nothing else', () => {
    for (const { name, type } of ganMetrics) {
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      expect(name).not.toMatch(/_(ms|milliseconds|minutes|kilobytes|megabytes|percent)\b/);
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
    }
  });

  it('have no label without bounds on the coordinator', () => {
    const labels = ganMetrics
      .filter(({ process }) => process === 'coordinator')
      .flatMap((metric) => metric.labels);
    expect(labels.filter((label) => UNBOUNDED.includes(label))).toEqual([]);
  });
});

describe('the page on metrics', () => {
  it('tells all metrics of the project, with type, labels and help, and no others', () => {
    const told = table(['metric', 'of', 'type', 'labels', 'meaning']);
    const exposed = ganMetrics.map(({ name, process, type, labels, help }) => [
      ...[name, process, type, labels.join(', '), help],
    ]);
    expect(told.sort()).toEqual(exposed.sort());
  });

  it('tells those of Node that dashboards use, which every process has', () => {
    const told = table(['metric', 'meaning']).map(([name]) => name);
    for (const process of ['coordinator', 'worker'])
      expect(exposedMetrics.filter((one) => one.process === process).map(({ name }) => name)).toEqual(
        expect.arrayContaining(told),
      );
  });
});

describe('the page on rules', () => {
  const rules = loadedRules();

  it('tells all recording rules and no others', () => {
    const told = table(['series', 'labels', 'meaning']).map(([name]) => name);
    const recorded = rules()
      .filter(({ type }) => type === 'recording')
      .map(({ name }) => name);
    expect(told.sort()).toEqual(recorded.sort());
  });

  it('tells all alerts, with severity and after how long they fire, and no others', () => {
    const told = table(['alert', 'severity', 'after', 'fires when']).map((row) => row.slice(0, 3));
    const alerts = rules().filter(({ type }) => type === 'alerting');
    const known = alerts.map(({ name, labels, duration }) => [
      name,
      labels?.['severity'],
      `${duration ?? 0} s`,
    ]);
    expect(told.sort()).toEqual(known.sort());
  });
});
