import { spawn, type ChildProcess } from 'node:child_process';
import { openSync, closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { OperationalError, messageOf } from '../../proto/index.js';
import { compiledUrl } from '../../proto/runtime/compiled-url.js';
import type { ProcessEnd, RunningProcess } from './supervised-process.js';

/** Node's arguments for this same command with other arguments. */
export function ganCluster(args: readonly string[]): readonly string[] {
  return [fileURLToPath(compiledUrl(import.meta.url, '../cli/main.js')), ...args];
}

/**
 * The environment of the cluster's own processes. What is set for a real cluster on this machine is not for them: a
 * local one has a NATS server of its own, without TLS, and a ring that never leaves the machine.
 */
function environmentOf(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const local = { ...environment, GAN_TETHER: 'stdin' };
  for (const name of ['GAN_TLS_CA_FILE', 'GAN_RING_CERT_FILE', 'GAN_RING_KEY_FILE'] as const)
    delete (local as NodeJS.ProcessEnv)[name];
  return local;
}

/** One of the cluster's own processes. */
export class ClusterProcess implements RunningProcess {
  readonly exited: Promise<ProcessEnd>;
  private ended = false;

  private constructor(
    readonly name: string,
    private readonly child: ChildProcess,
  ) {
    this.exited = new Promise((resolve) => {
      const end = (status: number | null, signal: NodeJS.Signals | null, words: string): void => {
        this.ended = true;
        resolve({ status, signal, words });
      };
      child.on('error', (error) => {
        if (child.pid === undefined) end(null, null, `could not be started: ${error.message}`);
      });
      child.once('exit', (status, signal) =>
        end(status, signal, signal === null ? `exit status ${status}` : `killed by ${signal}`),
      );
    });
  }

  /**
   * Throws OperationalError when its log cannot be opened; a process that cannot be made has ended.
   * @param nodeArguments what Node is started with; see `ganCluster`
   * @param logFile takes the process's log and whatever else it prints
   */
  static start(name: string, nodeArguments: readonly string[], logFile: string): ClusterProcess {
    let log: number;
    try {
      log = openSync(logFile, 'a');
    } catch (error) {
      throw new OperationalError('run-failed', `${name}: ${logFile} cannot be written: ${messageOf(error)}`);
    }
    const child = spawn(process.execPath, nodeArguments, {
      // Its standard input is its tether: the kernel closes it when this process is gone, however it went.
      stdio: ['pipe', log, log],
      env: environmentOf(process.env),
      // A group of its own, so that Ctrl-C reaches the launcher alone, which ends the others in order.
      detached: true,
    });
    closeSync(log);
    child.stdin?.on('error', () => undefined); // closed by its end: 'exit' tells
    return new ClusterProcess(name, child);
  }

  /** Undefined for a process that could not be made. */
  get pid(): number | undefined {
    return this.child.pid;
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.ended) this.child.kill(signal);
  }

  /**
   * Gives it half of the time to end by itself, as it does with its run, and the other half to end when asked to. At
   * 0 it is ended by force at once.
   */
  async stop(patienceMs: number): Promise<void> {
    const asked = setTimeout(() => this.signal('SIGTERM'), patienceMs / 2);
    const forced = setTimeout(() => this.signal('SIGKILL'), patienceMs);
    if (patienceMs === 0) this.signal('SIGKILL');
    await this.exited;
    clearTimeout(asked);
    clearTimeout(forced);
  }
}
