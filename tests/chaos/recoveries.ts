import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunWatch } from './run-watch.js';

/** How long a run stood still because of a fault: from the fault to the next commit. */
export interface Recovery {
  readonly kind: string;
  readonly scenario: string;
  readonly ms: number;
}

export interface RecoverySummary {
  readonly kind: string;
  readonly count: number;
  readonly medianMs: number;
  readonly worstMs: number;
  readonly worstIn: string;
}

/**
 * Milliseconds from a fault to the first commit after it; null when there was none, such as when everything was committed
 * already.
 * @param newEpoch the fault ends the ring epoch: what was still on its way from there does not count
 */
export function recoveryMs(watch: RunWatch, atMs: number, newEpoch: boolean): number | null {
  const { starts, reports } = watch;
  const before = watch.ringEpochAt(atMs);
  const reached = Math.max(
    0,
    ...reports
      .filter((report) => report.atMs <= atMs && report.ringEpoch === before)
      .map(({ nextUpdate }) => nextUpdate),
  );
  const commit = reports.find((report) => {
    if (report.atMs <= atMs) return false;
    if (report.ringEpoch === before) return !newEpoch && report.nextUpdate > reached;
    const start = starts.find((one) => one.ringEpoch === report.ringEpoch);
    return report.ringEpoch > before && start !== undefined && report.nextUpdate > start.nextUpdate;
  });
  return commit === undefined ? null : commit.atMs - atMs;
}

const fileIn = (folder: string): string => join(folder, 'recoveries.jsonl');

export const keepRecovery = (folder: string, recovery: Recovery): void =>
  appendFileSync(fileIn(folder), `${JSON.stringify(recovery)}\n`);

export function readRecoveries(folder: string): Recovery[] {
  if (!existsSync(fileIn(folder))) return [];
  const lines = readFileSync(fileIn(folder), 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Recovery);
}

export function summarise(recoveries: readonly Recovery[]): RecoverySummary[] {
  const kinds = [...new Set(recoveries.map(({ kind }) => kind))].sort();
  return kinds.map((kind) => {
    const sorted = recoveries.filter((one) => one.kind === kind).sort((a, b) => a.ms - b.ms);
    const worst = sorted.at(-1);
    return {
      kind,
      count: sorted.length,
      medianMs: sorted[Math.floor((sorted.length - 1) / 2)]?.ms ?? 0,
      worstMs: worst?.ms ?? 0,
      worstIn: worst?.scenario ?? '',
    };
  });
}

export function table(summaries: readonly RecoverySummary[]): string {
  const width = Math.max(0, ...summaries.map(({ kind }) => kind.length));
  const seconds = (ms: number): string => (ms / 1000).toFixed(2).padStart(8);
  return [
    `${'fault to next commit, in seconds'.padEnd(width)}    n   median    worst  worst in`,
    ...summaries.map(
      ({ kind, count, medianMs, worstMs, worstIn }) =>
        `${kind.padEnd(width)} ${String(count).padStart(4)} ${seconds(medianMs)} ${seconds(worstMs)}  ${worstIn}`,
    ),
  ].join('\n');
}
