#!/usr/bin/env node
import { CommanderError } from 'commander';
import { OperationalError, messageOf } from '../../proto/index.js';
import { buildProgram } from './program.js';

/** Wrong use is 2; whatever else fails is 1. Bugs of ours keep their stack trace. */
function exitStatusOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof OperationalError) {
    process.stderr.write(`error: ${messageOf(error)}\n`);
    return error.code === 'usage' || error.code === 'dataset' || error.code === 'engine-unavailable' ? 2 : 1;
  }
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return 1;
}

// A compose file cannot leave a variable out, only empty.
for (const [name, value] of Object.entries(process.env))
  if (name.startsWith('GAN_') && value === '') Reflect.deleteProperty(process.env, name);

const program = buildProgram((status) => {
  process.exitCode = status;
});
try {
  await program.parseAsync(process.argv);
} catch (error) {
  process.exitCode = exitStatusOf(error);
}
// What is still open (a socket, a timer) has nothing left to do: everything is awaited by now.
process.exit();
