/**
 * Runs a command that must not outlive whoever started this process:
 *
 *     node tether.js COMMAND ARGUMENT...
 *
 * The starter holds the other end of our standard input, which the kernel closes with it, even when it was killed by
 * SIGKILL. At the end of the input, or at a signal, the command gets SIGTERM, and SIGKILL if it takes no notice. Our
 * exit status is the command's. Imports nothing of the project, so that it starts quickly.
 */
import { spawn } from 'node:child_process';

const GRACE_MS = 5_000;
const CANNOT_RUN = 127;
const SIGNAL_BASE = 128;

const [command = '', ...commandArguments] = process.argv.slice(2);
const child = spawn(command, commandArguments, { stdio: ['ignore', 'inherit', 'inherit'] });

function end(): void {
  child.kill('SIGTERM');
  setTimeout(() => child.kill('SIGKILL'), GRACE_MS).unref();
}

process.stdin.on('end', end).on('error', end).resume();
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, end);
child.on('error', (error) => {
  process.stderr.write(`${command} cannot be run: ${error.message}\n`);
  process.exit(CANNOT_RUN);
});
child.on('exit', (status, signal) => {
  process.exit(status ?? SIGNAL_BASE + (signal === 'SIGKILL' ? 9 : 15));
});
