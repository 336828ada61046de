import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { RunMetrics } from '../../coordinator/metrics/index.js';
import { Rejections } from '../../proto/runtime/rejections.js';
import { WorkerMetrics } from '../../worker/metrics.js';

export interface ExposedMetric {
  readonly name: string;
  readonly process: 'coordinator' | 'worker';
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary';
  readonly labels: readonly string[];
  readonly help: string;
}

const unasked = (): never => {
  throw new Error('only names were to be asked for');
};

/** All that both processes expose, out of the code itself. */
export const exposedMetrics: readonly ExposedMetric[] = [
  ...metricsOf(
    'coordinator',
    new RunMetrics({ rejections: new Rejections(), state: unasked, status: unasked, nowMs: () => 0 })
      .registry,
  ),
  ...metricsOf(
    'worker',
    new WorkerMetrics({
      rejections: new Rejections(),
      refusals: unasked,
      progress: unasked,
      reconnects: unasked,
    }).registry,
  ),
];

/** Those of the project, without prom-client's own of a Node process. */
export const ganMetrics = exposedMetrics.filter(({ name }) => name.startsWith('gan_'));

function metricsOf(process: ExposedMetric['process'], registry: Registry): ExposedMetric[] {
  return registry.getMetricsAsArray().map((metric) => {
    // The public type has no labels, though every metric does.
    const { labelNames } = metric as unknown as { readonly labelNames: readonly string[] };
    return { name: metric.name, process, type: typeOf(metric), labels: labelNames, help: metric.help };
  });
}

function typeOf(metric: unknown): ExposedMetric['type'] {
  if (metric instanceof Counter) return 'counter';
  if (metric instanceof Gauge) return 'gauge';
  return metric instanceof Histogram ? 'histogram' : 'summary';
}

/** Names of series with the labels that they may have beside `job` and `instance`. */
export function exposedSeries(): Map<string, ReadonlySet<string>> {
  const series = new Map<string, ReadonlySet<string>>();
  for (const { name, type, labels } of exposedMetrics) {
    if (type !== 'histogram') series.set(name, new Set(labels));
    else for (const end of ['_bucket', '_sum', '_count']) series.set(name + end, new Set([...labels, 'le']));
  }
  return series;
}
