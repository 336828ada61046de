import { execFile } from 'node:child_process';
import { OperationalError } from '../../proto/index.js';

export interface CommandOptions {
  readonly timeoutMs: number;
  readonly cwd?: string | undefined;
  readonly environment?: NodeJS.ProcessEnv | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A command that could not be run or failed; `message` is a phrase for a line of its own making. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

const MAX_OUTPUT_BYTES = 4 << 20;

/**
 * Runs a command without a shell and returns its standard output. Throws CommandError when it is missing, fails or takes
 * too long, OperationalError('aborted') when `signal` is aborted.
 */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const { timeoutMs, cwd, signal } = options;
    execFile(
      command,
      args,
      {
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
        cwd,
        env: options.environment,
        signal,
        maxBuffer: MAX_OUTPUT_BYTES,
      },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else if (signal?.aborted) reject(new OperationalError('aborted', `${command} was interrupted`));
        else reject(new CommandError(failureOf(command, error, stderr, timeoutMs), { cause: error }));
      },
    );
  });
}

function failureOf(
  command: string,
  error: { readonly code?: unknown; readonly killed?: boolean; readonly signal?: unknown },
  stderr: string,
  timeoutMs: number,
): string {
  if (error.code === 'ENOENT') return `there is no ${command}`;
  if (error.code === 'EACCES') return `${command} is not executable`;
  if (error.killed === true) return `${command} took more than ${timeoutMs / 1000} s`;
  const said = stderr.trim().split('\n')[0] ?? '';
  const ended =
    typeof error.code === 'number' ? `exit status ${error.code}` : String(error.signal ?? error.code);
  return said === '' ? `${command} failed (${ended})` : `${command} failed: ${said}`;
}
