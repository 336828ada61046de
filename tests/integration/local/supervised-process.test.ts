import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClusterProcess } from '../../../deploy/local/child.js';
import { WORKER_RULES, type RestartDecision } from '../../../deploy/local/restart-policy.js';
import { SupervisedProcess, type Supervision } from '../../../deploy/local/supervised-process.js';
import { OperationalError } from '../../../proto/index.js';
import { isAlive, until, untilGone } from './conditions.js';

const RUNS = 'setInterval(() => undefined, 1000)';
/** Tells when it can take signals. */
const READY = 'console.log(`ready ${process.pid}`)';
const STUBBORN = `process.on('SIGTERM', () => console.log('no')); ${RUNS}; ${READY}`;
const LEAVES_WHEN_ASKED = `process.on('SIGTERM', () => process.exit(0)); ${RUNS}; ${READY}`;

let folder = '';
const supervised: SupervisedProcess<ClusterProcess>[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'supervised-'));
});
afterEach(async () => {
  await Promise.all(supervised.splice(0).map((process) => process.stop(0)));
  rmSync(folder, { recursive: true, force: true });
});

const logFile = (): string => join(folder, 'log');
const start = (script: string): ClusterProcess => ClusterProcess.start('child', ['-e', script], logFile());
const untilReady = (pid: number | undefined): Promise<void> =>
  until(() => expect(readFileSync(logFile(), 'utf8')).toContain(`ready ${pid}`));

interface Watched {
  readonly process: SupervisedProcess<ClusterProcess>;
  /** Words of each end, with the decision when there was one. */
  readonly ends: string[];
  readonly decisions: RestartDecision[];
  readonly started: ClusterProcess[];
}

/** Supervises a first process and, one after the other, those that follow it; the last one again and again. */
function watch(scripts: readonly string[], more: Partial<Supervision<ClusterProcess>> = {}): Watched {
  const ends: string[] = [];
  const decisions: RestartDecision[] = [];
  const started: ClusterProcess[] = [];
  const next = (): ClusterProcess => {
    const process = start(scripts[Math.min(started.length, scripts.length - 1)] ?? '');
    started.push(process);
    return process;
  };
  const process = new SupervisedProcess(next(), {
    rules: WORKER_RULES,
    startAgain: () => Promise.resolve(next()),
    onEnd: (_, end) => {
      ends.push(end.words);
      return Promise.resolve(end.status);
    },
    onDecision: (_, decision) => decisions.push(decision),
    nowMs: () => performance.now(),
    ...more,
  });
  supervised.push(process);
  return { process, ends, decisions, started };
}

describe('a supervised process', () => {
  it('that is killed is started again at once, and then after half a second', async () => {
    const { process, ends, decisions, started } = watch([RUNS]);
    const first = process.current;
    first?.signal('SIGKILL');
    await until(() => expect(started).toHaveLength(2));
    expect(process.current).toBe(started[1]);
    expect(decisions).toEqual([{ kind: 'restart', delayMs: 0 }]);
    const endedMs = performance.now();
    process.current?.signal('SIGKILL');
    await until(() => expect(started).toHaveLength(3));
    expect(performance.now() - endedMs).toBeGreaterThan(450);
    expect(ends).toEqual(['killed by SIGKILL', 'killed by SIGKILL']);
  });

  it.each([
    ['leaves in order', 0],
    ['was refused', 2],
  ])('that %s stays down', async (_, status) => {
    const { process, decisions, started } = watch([`process.exit(${status})`]);
    const { end, decision } = await process.over;
    expect({ end, decision }).toEqual({
      end: { status, signal: null, words: `exit status ${status}` },
      decision: { kind: 'final' },
    });
    expect(process.current).toBeNull();
    expect(decisions).toHaveLength(1);
    expect(started).toHaveLength(1);
  });

  it('is started again after status 2 when that says nothing about it', async () => {
    const { process, started } = watch(['process.exit(2)', 'process.exit(0)'], {
      onEnd: (_, end) => Promise.resolve(end.status === 2 ? null : end.status),
    });
    expect((await process.over).end.status).toBe(0);
    expect(started).toHaveLength(2);
  });

  it('that fails again and again is given up', async () => {
    const rules = { final: [], giveUp: { ends: 2, livedUnderMs: 60_000 } };
    const { process, decisions, started } = watch(['process.exit(1)'], { rules });
    expect((await process.over).decision).toEqual({ kind: 'giveUp' });
    expect(decisions.map(({ kind }) => kind)).toEqual(['restart', 'giveUp']);
    expect(started).toHaveLength(2);
  });

  it('that cannot be started again has ended once more', async () => {
    let attempts = 0;
    const { process, ends, started } = watch(['process.exit(1)'], {
      startAgain: () => {
        attempts += 1;
        if (attempts === 1) throw new OperationalError('run-failed', 'no space is left');
        return Promise.resolve(start('process.exit(0)'));
      },
    });
    expect((await process.over).end.status).toBe(0);
    expect(ends).toEqual(['exit status 1', 'no space is left', 'exit status 0']);
    expect(started).toHaveLength(1);
  });

  it('whose start has a bug says so', async () => {
    const { process } = watch(['process.exit(1)'], {
      startAgain: () => Promise.reject(new TypeError('ours')),
    });
    await expect(process.over).rejects.toThrow(TypeError);
    supervised.pop();
  });
});

describe('a released process', () => {
  it('runs on, and is not started again when it ends', async () => {
    const { process, ends, decisions, started } = watch([RUNS]);
    process.release();
    const { current } = process;
    expect(await isAlive(current?.pid ?? 0)).toBe(true);
    current?.signal('SIGKILL');
    expect((await process.over).decision).toBeNull();
    expect(ends).toEqual(['killed by SIGKILL']);
    expect(decisions).toEqual([]);
    expect(started).toHaveLength(1);
  });

  it('is not started again while its restart is waited for', async () => {
    const { process, decisions, started } = watch(['process.exit(1)']);
    await until(() => expect(decisions.length).toBeGreaterThanOrEqual(3)); // a second is waited for
    const count = started.length;
    const atMs = performance.now();
    await process.stop(5_000);
    expect(performance.now() - atMs).toBeLessThan(500);
    expect(started).toHaveLength(count);
  });

  it('is released by what sees its end', async () => {
    const watched = watch(['process.exit(1)'], {
      onEnd: (_, end) => {
        watched.process.release();
        return Promise.resolve(end.status);
      },
    });
    expect((await watched.process.over).decision).toBeNull();
    expect(watched.started).toHaveLength(1);
  });

  it('leaves nothing running that was just being started', async () => {
    let wanted: AbortSignal | undefined;
    let late: ClusterProcess | undefined;
    const { process } = watch(['process.exit(1)'], {
      startAgain: (signal) => {
        wanted = signal;
        return new Promise((resolve) => {
          // Takes no notice of the signal, as one that was a moment too late.
          signal.addEventListener('abort', () => {
            late = start(STUBBORN);
            resolve(late);
          });
        });
      },
    });
    await until(() => expect(wanted).toBeDefined());
    await process.stop(60_000);
    expect(process.current).toBeNull();
    await untilGone(late?.pid ?? 0);
  });
});

describe('a process that is stopped', () => {
  it('is asked to end after half of the patience', async () => {
    const { process, started } = watch([LEAVES_WHEN_ASKED]);
    await untilReady(started[0]?.pid);
    await process.stop(200);
    expect((await process.over).end.status).toBe(0);
  });

  it('is ended by force when it takes no notice, at once without patience', async () => {
    const patient = watch([STUBBORN]);
    const impatient = watch([STUBBORN]);
    await untilReady(patient.started[0]?.pid);
    await untilReady(impatient.started[0]?.pid);
    await Promise.all([patient.process.stop(200), impatient.process.stop(0)]);
    for (const { process } of [patient, impatient]) expect((await process.over).end.signal).toBe('SIGKILL');
    const refusals = readFileSync(logFile(), 'utf8').match(/^no$/gm);
    expect(refusals).toHaveLength(1);
  });
});

describe('a cluster process', () => {
  it('whose log cannot be written is refused in one line', () => {
    expect(() => ClusterProcess.start('worker-0', ['-e', ''], join(folder, 'none', 'log'))).toThrow(
      /^worker-0: .*log cannot be written: ENOENT/,
    );
  });
});
