import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { resolve } from 'node:path';

const MAIN = resolve(import.meta.dirname, '../../dist/deploy/cli/main.js');

export interface ProcessExit {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly atMs: number;
}

/** Processes that live: none is to survive the test, however it ends, not even one that is stopped. */
const alive = new Set<ChaosProcess>();
process.on('exit', () => {
  for (const one of alive) one.signal('SIGKILL');
});

/** One life of a coordinator or worker: the real command in a process of its own. */
export class ChaosProcess {
  /** By Date.now(), as everything here: the records of several processes are compared. */
  readonly startedMs = Date.now();
  exit: ProcessExit | null = null;
  private readonly child: ChildProcess;

  constructor(
    readonly name: string,
    args: readonly string[],
    environment: NodeJS.ProcessEnv,
    readonly logFile: string,
    onExit: (life: ChaosProcess, exit: ProcessExit) => void,
  ) {
    const log = openSync(logFile, 'a');
    this.child = spawn(process.execPath, [MAIN, ...args], {
      // Its standard input is its tether, as in a local cluster: it ends with this process.
      stdio: ['pipe', log, log],
      env: { ...process.env, ...environment, GAN_TETHER: 'stdin' },
      detached: true,
    });
    closeSync(log);
    alive.add(this);
    this.child.stdin?.on('error', () => undefined); // closed by its end: 'exit' tells
    this.child.once('exit', (status, signal) => {
      alive.delete(this);
      this.exit = { status, signal, atMs: Date.now() };
      onExit(this, this.exit);
    });
  }

  get pid(): number {
    const { pid } = this.child;
    if (pid === undefined) throw new Error(`${this.name} could not be started`);
    return pid;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.exit === null) this.child.kill(signal);
  }
}
