import { readFile } from 'node:fs/promises';
import { expect, vi } from 'vitest';

const DEADLINE_MS = 20_000;

/** Awaits that `check` does not throw. */
export const until = <T>(check: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(check, { interval: 5, timeout: DEADLINE_MS });

/** Whether a process runs; one that has ended and whose parent has not looked yet does not. */
export async function isAlive(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (process.platform !== 'linux') return true;
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return status !== '' && !/^State:\s+Z/m.test(status);
}

export const untilGone = (pid: number): Promise<void> =>
  until(async () => expect(await isAlive(pid), `process ${pid} is alive`).toBe(false));
