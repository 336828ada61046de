import { spawn, type ChildProcess } from 'node:child_process';
import { openSync, closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compiledUrl } from '../../proto/runtime/compiled-url.js';

/** How a child process ended, in words: `exit status 1`, `killed by SIGKILL`. */
export interface ChildExit {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly words: string;
}

/** One of the cluster's own processes: this same command, with another subcommand. */
export class ClusterProcess {
  readonly exited: Promise<ChildExit>;
  private ended: ChildExit | null = null;

  private constructor(
    readonly name: string,
    private readonly child: ChildProcess,
  ) {
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (status, signal) => {
        this.ended = {
          status,
          signal,
          words: signal === null ? `exit status ${status}` : `killed by ${signal}`,
        };
        resolve(this.ended);
      });
    });
  }

  /**
   * @param logFile takes the process's log and whatever else it prints
   */
  static start(name: string, args: readonly string[], logFile: string): ClusterProcess {
    const log = openSync(logFile, 'a');
    const main = fileURLToPath(compiledUrl(import.meta.url, '../cli/main.js'));
    const child = spawn(process.execPath, [main, ...args], {
      // Its standard input is its tether: the kernel closes it when this process is gone, however it went.
      stdio: ['pipe', log, log],
      env: { ...process.env, GAN_TETHER: 'stdin' },
      // A group of its own, so that Ctrl-C reaches the launcher alone, which ends the others in order.
      detached: true,
    });
    closeSync(log);
    child.stdin?.on('error', () => undefined); // closed by its end: 'exit' tells
    return new ClusterProcess(name, child);
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  get exit(): ChildExit | null {
    return this.ended;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.ended === null) this.child.kill(signal);
  }

  /** Waits for it to end by itself, then ends it. */
  async stop(patienceMs: number): Promise<ChildExit> {
    const timer = setTimeout(() => this.signal('SIGKILL'), patienceMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }
}
