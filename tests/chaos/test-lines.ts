import type { FaultRecord } from './fault-record.js';
import type { ChaosProcess } from './chaos-process.js';
import type { RunWatch } from './run-watch.js';
import type { LogLine } from './timeline.js';

const lineOf = (atMs: number, text: string): LogLine => ({ atMs, from: 'test', level: 30, text, fields: {} });

const lifeLines = ({ name, startedMs, pid, exit }: ChaosProcess): LogLine[] => [
  lineOf(startedMs, `${name} is process ${pid}`),
  ...(exit === null ? [] : [lineOf(exit.atMs, `${name} ended: ${exit.signal ?? `status ${exit.status}`}`)]),
];

/** What the test knows beside the logs of the processes. */
export function testLines(
  record: FaultRecord,
  lives: readonly ChaosProcess[],
  watch: RunWatch | null,
): LogLine[] {
  const faults = record
    .read()
    .map(({ atMs, id, who, update }) => lineOf(atMs, `FAULT ${id} in ${who} at ${update}`));
  const starts = (watch?.starts ?? []).map(({ atMs, ringEpoch, nextUpdate }) =>
    lineOf(atMs, `start of ring epoch ${ringEpoch} from ${nextUpdate}`),
  );
  const now = `now at ${JSON.stringify(watch?.progress)} ${JSON.stringify(watch?.status)}`;
  return [...faults, ...starts, ...lives.flatMap(lifeLines), lineOf(Date.now(), now)];
}
