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
  private waiters: { isMet: () => boolean; resolve: () => void }[] = [];

  constructor(args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
    this.child = spawn(process.execPath, [MAIN, ...args], {
      cwd: options.cwd ?? tmpdir(),
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.lookAgain();
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.lookAgain();
    });
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
  printed(text: string): Promise<void> {
    return this.meets(() => this.stdout.includes(text), `printing "${text}"`);
  }

  /** The same of standard error, where the log is. */
  logged(text: string): Promise<void> {
    return this.meets(() => this.stderr.includes(text), `logging "${text}"`);
  }

  private async meets(isMet: () => boolean, what: string): Promise<void> {
    if (isMet()) return;
    const found = new Promise<void>((resolve) => this.waiters.push({ isMet, resolve }));
    const ended = this.finished.then((end) => {
      if (!isMet()) throw new Error(`ended without ${what}: ${end.stdout}${end.stderr}`);
    });
    await Promise.race([found, ended]);
  }

  private lookAgain(): void {
    this.waiters = this.waiters.filter(({ isMet, resolve }) => {
      if (!isMet()) return true;
      resolve();
      return false;
    });
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
