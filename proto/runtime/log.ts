import { pino, type Logger } from 'pino';

export type Log = Logger;

/** A process's log: one JSON object a line on standard error, with the process's name and id in each. */
export function createLog(name: string, level: string): Log {
  // Synchronous: a line written just before a crash is the one that is wanted.
  return pino({ name, level }, pino.destination({ fd: 2, sync: true }));
}
