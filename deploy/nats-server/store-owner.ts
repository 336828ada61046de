import { readFile } from 'node:fs/promises';
import { OperationalError, UsageError } from '../../proto/index.js';
import { CommandError, runCommand } from './command.js';
import { pollUntil } from './poll.js';

const POLL_MS = 50;
const QUERY_TIMEOUT_MS = 5_000;

/**
 * Resolves once no server uses the store any more: two at once would ruin it. The one of a launcher that was just killed
 * is waited for. Throws UsageError when another is at work.
 * @param configFile what a server of this store has on its command line
 */
export async function awaitStoreFree(
  storeFolder: string,
  pidFile: string,
  configFile: string,
  options: { readonly waitMs: number; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const { waitMs, signal } = options;
  const text = await readFile(pidFile, 'utf8').catch(() => '');
  const pid = /^\d{1,10}$/.test(text.trim()) ? Number(text) : 0;
  if (pid < 2) return;
  const isFree = async (): Promise<boolean> => !(await commandLine(pid)).includes(configFile);
  if (await pollUntil(isFree, { everyMs: POLL_MS, deadlineMs: waitMs, signal })) return;
  if (signal?.aborted) throw new OperationalError('aborted', 'the start of nats-server was interrupted');
  throw new UsageError(
    `${storeFolder} is in use by another cluster (nats-server, process ${pid}): let it end first`,
  );
}

/** The command line of a process, empty when there is none of that id: ids are used again. */
async function commandLine(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return line.replaceAll('\0', ' ');
  }
  try {
    return await runCommand('ps', ['-o', 'command=', '-p', String(pid)], { timeoutMs: QUERY_TIMEOUT_MS });
  } catch (error) {
    if (error instanceof CommandError) return '';
    throw error;
  }
}
