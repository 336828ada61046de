import { OperationalError, UsageError } from '../../proto/index.js';

/** What is known of a server that could not be started. */
export interface StartFailure {
  /** Its standard error and its log since this start. */
  readonly said: string;
  readonly storeFolder: string;
  readonly port: number;
  /** How it ended, or what was waited for in vain. */
  readonly words: string;
}

/** One line for a server that could not be started: UsageError where the user can put it right. */
export function startError(failure: StartFailure): OperationalError {
  const { said, storeFolder, port } = failure;
  if (/address already in use/i.test(said)) {
    return new UsageError(
      `nats-server: port ${port} on 127.0.0.1 is taken: name another, or 0 for a free one`,
    );
  }
  if (/no space left on device|disk quota exceeded|ENOSPC|EDQUOT/i.test(said)) {
    return new OperationalError('nats-server', `nats-server: no space is left on the disk of ${storeFolder}`);
  }
  if (/permission denied|read-only file system|EACCES|EPERM|EROFS/i.test(said)) {
    return new UsageError(`nats-server: ${storeFolder} cannot be written to: name another folder`);
  }
  if (/\b(EEXIST|ENOTDIR)\b/.test(said)) {
    return new UsageError(`nats-server: ${storeFolder} was expected to be a folder`);
  }
  const line = lastComplaint(said);
  return new OperationalError(
    'nats-server',
    `nats-server ${failure.words}${line === null ? '' : `: ${line}`}`,
  );
}

/** The last fatal or error line of the log, without its time and process; else the last line of all. */
function lastComplaint(said: string): string | null {
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  const complaint = lines.findLast((line) => /\[(FTL|ERR)\]/.test(line)) ?? lines.at(-1);
  return complaint === undefined ? null : complaint.replace(/^.*\[(FTL|ERR|WRN|INF)\] /, '').trim();
}
