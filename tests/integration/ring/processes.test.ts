import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { measureRing } from '../../bench/ring.js';
import type { ChildReport, ChildTask } from './ring-child.js';
import { HOST } from './ring-fixture.js';

const CHILD = fileURLToPath(new URL('./ring-child.ts', import.meta.url));

class Worker {
  readonly reports: ChildReport[] = [];
  private readonly process: ChildProcess;

  constructor() {
    this.process = fork(CHILD, { execArgv: ['--import', 'tsx'] });
    this.process.on('message', (report: ChildReport) => this.reports.push(report));
  }

  /** The first report of a kind, as soon as there is one. */
  async report<K extends ChildReport['kind']>(kind: K): Promise<Extract<ChildReport, { kind: K }>> {
    const is = (report: ChildReport): report is Extract<ChildReport, { kind: K }> => report.kind === kind;
    return vi.waitFor(
      () => {
        const found = this.reports.find(is);
        if (!found) throw new Error(`no ${kind} among ${JSON.stringify(this.reports.at(-1))}`);
        return found;
      },
      { interval: 1, timeout: 20_000 },
    );
  }

  start(task: ChildTask): void {
    this.process.send(task);
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  async end(): Promise<void> {
    const gone = new Promise((resolve) => this.process.once('exit', resolve));
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill('SIGKILL');
    await gone;
  }
}

let workers: Worker[] = [];
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.end()));
  workers = [];
});

async function startWorld(world: number, task: Omit<ChildTask, 'rank' | 'members'>): Promise<void> {
  workers = Array.from({ length: world }, () => new Worker());
  const listening = await Promise.all(workers.map((worker) => worker.report('listening')));
  const members = listening.map(({ port }, rank) => ({ workerId: `w${rank}`, host: HOST, port }));
  for (const [rank, worker] of workers.entries()) worker.start({ ...task, rank, members });
}
const othersThan = (rank: number): Worker[] => workers.filter((_, other) => other !== rank);

describe('a ring of processes', { timeout: 60_000 }, () => {
  test('three processes sum, and each sends two thirds of the vector twice', async () => {
    const [length, reductions] = [500_000, 10];
    await startWorld(3, { length, reductions, silenceMs: 20_000 });
    for (const worker of workers) {
      const { bytesSent, bytesReceived } = await worker.report('done');
      const share = (4 / 3) * length * 4 * reductions;
      expect(Math.abs(bytesSent - share)).toBeLessThanOrEqual(8 * reductions);
      expect(Math.abs(bytesReceived - share)).toBeLessThanOrEqual(8 * reductions);
      const reduced = worker.reports.filter((report) => report.kind === 'reduced');
      expect(reduced.length).toBe(reductions);
      expect(reduced.every(({ right }) => right)).toBe(true);
    }
  });

  test('a killed process is noticed by all others at once, in the middle of a reduction', async () => {
    await startWorld(3, { length: 2_000_000, reductions: 1e9, silenceMs: 60_000 });
    for (const worker of workers) await worker.report('reduced');
    const killedMs = performance.now();
    workers[1]?.signal('SIGKILL');
    for (const worker of othersThan(1)) {
      const failure = await worker.report('failed');
      expect(failure.code).toBe('ring-peer-lost');
    }
    // The deadline for silence is a minute: this came from the closed link.
    expect(performance.now() - killedMs).toBeLessThan(5_000);
  });

  test('a stopped process is noticed by its silence, with the place where everyone stands', async () => {
    await startWorld(3, { length: 2_000_000, reductions: 1e9, silenceMs: 1_500 });
    for (const worker of workers) await worker.report('reduced');
    workers[1]?.signal('SIGSTOP');
    const failures = await Promise.all(othersThan(1).map((worker) => worker.report('failed')));
    // Who runs into the deadline first leaves the ring, which the other may see before its own.
    const codes = failures.map(({ code }) => code);
    expect(codes).toContain('ring-deadline');
    expect(codes.every((code) => code === 'ring-deadline' || code === 'ring-peer-lost')).toBe(true);
    for (const { code, message, progress } of failures) {
      expect(progress?.reduction).toBeDefined();
      if (code === 'ring-deadline') expect(message).toMatch(/was silent for 1500 ms/);
    }
  });

  test('a process that was stopped itself finds that the others have left, not that they were silent', async () => {
    await startWorld(2, { length: 2_000_000, reductions: 1e9, silenceMs: 1_500 });
    for (const worker of workers) await worker.report('reduced');
    workers[1]?.signal('SIGSTOP');
    expect((await workers[0]?.report('failed'))?.code).toBe('ring-deadline');
    workers[1]?.signal('SIGCONT');
    expect((await workers[1]?.report('failed'))?.code).toBe('ring-peer-lost');
  });

  test('the benchmark measures sums that are right', async () => {
    const result = await measureRing({ world: 3, bytes: 40_000, repeats: 3, warmup: 1 });
    expect(result.verified).toBe(true);
    expect(result.medianMs).toBeGreaterThan(0);
    expect(result.busGbPerS / result.algorithmGbPerS).toBeCloseTo(4 / 3);
  });
});
