import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { readRecoveries, summarise, table } from './recoveries.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Shared by all files of one session: reference bits and recovery times. */
    chaosFolder: string;
  }
}

/** Gives the session a folder, and shows the recovery times at its end. */
export default function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'gan-chaos-session-'));
  project.provide('chaosFolder', folder);
  return () => {
    const recoveries = readRecoveries(folder);
    const summaries = summarise(recoveries);
    if (summaries.length > 0) process.stdout.write(`\n${table(summaries)}\n\n`);
    const report = process.env['CHAOS_REPORT'];
    if (report !== undefined)
      writeFileSync(report, `${JSON.stringify({ summaries, recoveries }, null, 2)}\n`);
    rmSync(folder, { recursive: true, force: true });
  };
}
