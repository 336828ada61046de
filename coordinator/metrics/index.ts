export { RunMetrics, type RunMetricsParts } from './run-metrics.js';
export { ServedRun } from './served-run.js';
