import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { onTestFinished } from 'vitest';
import type { RunFile } from '../../../coordinator/index.js';

const MAIN = resolve(import.meta.dirname, '../../../dist/deploy/cli/main.js');

export interface Finished {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The real command in a process of its own. */
export class GanCluster {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  private stdout = '';
  private stderr = '';
  private waiters: { text: string; resolve: () => void }[] = [];

  constructor(args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
    this.child = spawn(process.execPath, [MAIN, ...args], {
      cwd: options.cwd ?? tmpdir(),
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.waiters = this.waiters.filter(({ text: wanted, resolve }) => {
        if (!this.stdout.includes(wanted)) return true;
        resolve();
        return false;
      });
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.finished = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (status, signal) =>
        resolve({ status, signal, stdout: this.stdout, stderr: this.stderr }),
      );
    });
  }

  /** Standard output so far. */
  get output(): string {
    return this.stdout;
  }

  /** Ctrl-C. */
  interrupt(): void {
    this.child.kill('SIGINT');
  }

  /** Resolves when standard output holds `text`; rejects when the command ends without it. */
  async printed(text: string): Promise<void> {
    if (this.stdout.includes(text)) return;
    const found = new Promise<void>((resolve) => this.waiters.push({ text, resolve }));
    const ended = this.finished.then((end) => {
      if (!this.stdout.includes(text))
        throw new Error(`ended without printing "${text}": ${end.stdout}${end.stderr}`);
    });
    await Promise.race([found, ended]);
  }
}

export function ganCluster(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Finished> {
  return new GanCluster(args, options).finished;
}

/** A folder that goes when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gan-cluster-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export const readRunFile = (out: string): RunFile =>
  JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) as RunFile;

/** history.csv without its timing column. */
export function untimedHistory(out: string): string[] {
  const lines = readFileSync(join(out, 'history.csv'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => line.slice(0, line.lastIndexOf(',')));
}
