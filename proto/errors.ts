/**
 * Errors come in two kinds. An operational error (a peer died, a file is corrupt, a flag is wrong) has a stable code,
 * is handled, and says what was expected, what was found and what to do. A broken invariant is our own bug: it crashes
 * with a stack trace.
 */
export type ErrorCode =
  | 'usage' // the user asked for something that cannot be: exit status 2
  | 'dataset' // a dataset is missing, corrupt or of the wrong shape
  | 'engine-unavailable'
  | 'fingerprint-mismatch'
  | 'nats-server'
  | 'bus'
  | 'protocol' // a message does not fit its schema or its frame
  | 'ring-peer-lost'
  | 'ring-deadline'
  | 'ring-refused'
  | 'aborted'
  | 'range' // a sum found no exponent within the allowed redos
  | 'not-finite'
  | 'checkpoint'
  | 'worker-lost'
  | 'run-failed';

/** An expected failure. `message` is one line fit to show a user. */
export class OperationalError extends Error {
  override readonly name: string = 'OperationalError';
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Wrong use: shown as one line, ends the command with exit status 2. */
export class UsageError extends OperationalError {
  override readonly name = 'UsageError';
  constructor(message: string, options?: ErrorOptions) {
    super('usage', message, options);
  }
}

/** Exit status of a command that was asked to stop before it was done. */
export const INTERRUPTED = 130;

/** Throws when `condition` does not hold: a bug of ours, never a user's or a peer's doing. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${message}`);
}

/** The message of anything thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** What a message says before any stack trace: what one process tells another of its own bug, whose log has the rest. */
export function firstLineOf(message: string): string {
  return message.split('\n', 1)[0] ?? message;
}
