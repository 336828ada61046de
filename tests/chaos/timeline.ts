import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';

/** A line of a process's log. */
export interface LogLine {
  readonly atMs: number;
  readonly from: string;
  readonly level: number;
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const HIDDEN = new Set(['level', 'time', 'pid', 'hostname', 'name', 'msg']);

/** The lines of one process's log; what is no JSON (a stack trace) takes the time of the line before. */
export function readLog(file: string): LogLine[] {
  if (!existsSync(file)) return [];
  const from = basename(file, '.log');
  let atMs = 0;
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      try {
        const { time, level, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
        atMs = Number(time);
        return { atMs, from, level: Number(level), text: String(msg), fields };
      } catch {
        return { atMs, from, level: 0, text: line, fields: {} };
      }
    });
}

export function readLogs(folder: string): LogLine[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .flatMap((name) => readLog(join(folder, name)));
}

/** All logs as one, by time, the last `count` lines: what happened before a test failed. */
export function timeline(lines: readonly LogLine[], sinceMs: number, count: number): string {
  return [...lines]
    .sort((a, b) => a.atMs - b.atMs)
    .slice(-count)
    .map(({ atMs, from, text, fields }) => {
      const shown = Object.entries(fields).filter(([name]) => !HIDDEN.has(name));
      const rest = shown.length === 0 ? '' : ` ${JSON.stringify(Object.fromEntries(shown)).slice(0, 300)}`;
      const at = `+${((atMs - sinceMs) / 1000).toFixed(3)}`.padStart(9);
      return `${at} ${from.padEnd(16)} ${text}${rest}`;
    })
    .join('\n');
}
