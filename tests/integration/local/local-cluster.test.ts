import { rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tellEnd } from '../../../deploy/local/last-words.js';
import { scale } from '../../../deploy/local/scale.js';
import { until } from './conditions.js';
import { FAKE_STATUS } from './fake-status.js';
import { CLUSTER, Fixture, WORKER } from './local-cluster-fixture.js';

let fixture: Fixture;
beforeEach(() => {
  fixture = new Fixture();
});
afterEach(() => fixture.close());

const lastOf = <T>(all: readonly T[]): T | undefined => all.at(-1);

describe('the coordinator of a local cluster', () => {
  it('is started again when it was killed; the run ends with its last word, whoever says it', async () => {
    await fixture.start();
    const run = fixture.run();
    const [first] = fixture.coordinators;
    await fixture.untilListens(first);
    first?.signal('SIGKILL');
    await until(() => expect(fixture.coordinators).toHaveLength(2));
    await fixture.untilListens(fixture.coordinators[1]);
    await fixture.endRun();
    // It stands by, and would end by itself.
    fixture.coordinators[1]?.signal('SIGTERM');
    expect(await run).toMatchObject({ kind: 'ended', ended: { outcome: 'done' } });
    await fixture.close();
    expect(fixture.coordinators).toHaveLength(2);
    expect(fixture.workers).toHaveLength(1);
    // Nothing is said about what ended with the run.
    expect(fixture.said.filter((line) => line.includes(' ended: '))).toEqual([
      `the coordinator ended: killed by SIGKILL, started again (log: ${fixture.logOf('coordinator')})`,
    ]);
  });

  it('is started again when it leaves without a last word', async () => {
    await fixture.start({ coordinator: ['-e', 'setTimeout(() => process.exit(0), 50)'] });
    const run = fixture.run();
    await until(() => expect(fixture.coordinators).toHaveLength(2));
    await fixture.endRun();
    expect((await run).kind).toBe('ended');
  });

  it('is given up when it ends five times in a row', async () => {
    await fixture.start({ coordinator: ['-e', 'process.exit(1)'] });
    await expect(fixture.run()).rejects.toThrow(
      `the coordinator ended without a word (exit status 1): see ${fixture.logOf('coordinator')}`,
    );
    expect(fixture.coordinators).toHaveLength(5);
    expect(fixture.said.filter((line) => line.startsWith('the coordinator ended'))).toHaveLength(5);
  });

  it('is not started again when it was used wrongly', async () => {
    await fixture.start({ coordinator: ['-e', 'process.exit(2)'] });
    await expect(fixture.run()).rejects.toThrow(/without a word \(exit status 2\)/);
    expect(fixture.coordinators).toHaveLength(1);
  });
});

describe('Ctrl-C', () => {
  it('waits for a coordinator that could not take it yet', async () => {
    await fixture.start();
    fixture.interrupt.abort();
    expect(await fixture.run()).toMatchObject({ kind: 'ended', ended: { outcome: 'interrupted' } });
    expect(fixture.coordinators).toHaveLength(1);
  });

  it('is passed on to the next coordinator when the first one dies over it', async () => {
    await fixture.start();
    const run = fixture.run();
    await fixture.untilListens(fixture.coordinators[0]);
    fixture.coordinators[0]?.signal('SIGSTOP'); // takes no notice
    fixture.interrupt.abort();
    fixture.coordinators[0]?.signal('SIGKILL');
    expect(await run).toMatchObject({ kind: 'ended', ended: { outcome: 'interrupted' } });
    expect(fixture.coordinators).toHaveLength(2);
  });

  it('ends the run also when the last word was lost', async () => {
    const leaves = `process.on('SIGTERM', () => process.exit(130)); setInterval(() => undefined, 1000);
      console.log('ready', process.pid);`;
    await fixture.start({ coordinator: ['-e', leaves] });
    const run = fixture.run();
    await fixture.untilReady(fixture.coordinators[0]);
    const bus = await fixture.connect('another coordinator');
    fixture.interrupt.abort();
    bus.out('status', { runId: CLUSTER, ...FAKE_STATUS });
    const end = await run;
    expect(end).toEqual({ kind: 'stopped' });
    expect(tellEnd(end, 7, 'runs/x', fixture.view)).toBe(130);
    expect(fixture.said.slice(-2)).toEqual(['Stopped.', 'Go on with:  npm start -- --resume --out runs/x']);
  });

  it('twice ends all at once', async () => {
    await fixture.start({ workers: 2 });
    const run = fixture.run();
    await fixture.untilListens(fixture.coordinators[0]);
    fixture.coordinators[0]?.signal('SIGSTOP');
    fixture.interrupt.abort();
    fixture.kill.abort();
    expect(await run).toEqual({ kind: 'killed' });
    await fixture.close();
    expect(fixture.said.some((line) => line.includes('ended'))).toBe(false);
  });

  it('twice does not wait for what would end in order', async () => {
    await fixture.start({
      worker: WORKER.replace('process.exit(0)', 'undefined'),
      patienceMs: 600_000,
    });
    const run = fixture.run();
    await fixture.untilListens(fixture.coordinators[0]);
    await fixture.untilReady(fixture.workers[0]?.process);
    fixture.interrupt.abort();
    await run;
    const closing = fixture.close();
    fixture.kill.abort();
    await closing;
  });
});

describe('a worker of a local cluster', () => {
  it('that is killed is told to the coordinator and started again under its name', async () => {
    await fixture.start({ workers: 2 });
    void fixture.run();
    await fixture.untilListens(fixture.coordinators[0]);
    const victim = fixture.workers[1]?.process;
    victim?.signal('SIGKILL');
    await until(() => expect(fixture.workers).toHaveLength(3));
    expect(fixture.workers[2]?.process.name).toBe('worker-1');
    await until(() =>
      expect(fixture.said).toContain(`exited ${hostname()} ${victim?.pid} killed by SIGKILL`),
    );
    expect(fixture.said).toContain(
      `worker-1 ended: killed by SIGKILL, started again (log: ${fixture.logOf('worker-1')})`,
    );
  });

  it('that leaves in order while NATS is away stays away', async () => {
    await fixture.start({ workers: 2 });
    void fixture.run();
    for (const { process } of fixture.workers) await fixture.untilReady(process);
    process.kill(fixture.natsPid, 'SIGKILL');
    await until(() => expect(fixture.said.some((line) => line.startsWith('nats-server ended'))).toBe(true));
    fixture.workers[1]?.process.signal('SIGTERM');
    await until(() =>
      expect(fixture.said).toContain(`worker-1 ended: exit status 0 (log: ${fixture.logOf('worker-1')})`),
    );
    expect(fixture.workers).toHaveLength(2);
  });

  it.each([0, 2])('that ends with status %i is told, and not started again', async (status) => {
    await fixture.start({ worker: `process.exit(${status})` });
    void fixture.run();
    await until(() =>
      expect(fixture.said).toContain(
        `worker-0 ended: exit status ${status} (log: ${fixture.logOf('worker-0')})`,
      ),
    );
    expect(fixture.workers).toHaveLength(1);
  });

  it('that ends with the run is neither told nor started again, whatever its status', async () => {
    await fixture.start();
    const run = fixture.run();
    const [worker] = fixture.workers;
    // In this order they would come from a coordinator: the last word, then the ends of the workers.
    await fixture.endRun();
    worker?.process.signal('SIGKILL');
    await run;
    await fixture.close();
    expect(fixture.workers).toHaveLength(1);
    expect(fixture.said.some((line) => line.startsWith('worker'))).toBe(false);
  });

  it('waits for NATS before it is started again, and status 2 means nothing while NATS is away', async () => {
    await fixture.start({ worker: WORKER.replace('exit(0)', 'exit(2)') });
    void fixture.run();
    await fixture.untilListens(fixture.coordinators[0]);
    const worker = fixture.workers[0]?.process;
    await fixture.untilReady(worker);
    process.kill(fixture.natsPid, 'SIGKILL');
    await until(() => expect(fixture.said.some((line) => line.startsWith('nats-server ended'))).toBe(true));
    worker?.signal('SIGTERM');
    await until(() => expect(fixture.workers).toHaveLength(2));
  });
});

describe('scaling a local cluster', () => {
  const names = (): string[] => fixture.workers.map(({ process }) => process.name);
  const lines: string[] = [];
  const scaleTo = async (workers: number): Promise<string> => {
    await scale({ workers, out: fixture.folder }, (line) => lines.push(line));
    return lastOf(lines) ?? '';
  };

  it('starts workers with the lowest free numbers and asks the highest ones to leave', async () => {
    await fixture.start({ workers: 2 });
    void fixture.run();
    await fixture.writeClusterFile();
    await fixture.untilListens(fixture.coordinators[0]);
    expect(await scaleTo(4)).toBe('2 -> 4 workers, 2 of them spare (2 shards)');
    expect(names()).toEqual(['worker-0', 'worker-1', 'worker-2', 'worker-3']);
    expect(fixture.workers.map(({ engineThreads }) => engineThreads)).toEqual([6, 6, 3, 3]);
    for (const { process } of fixture.workers) await fixture.untilReady(process);

    expect(await scaleTo(1)).toBe('4 -> 1 worker');
    for (const { process } of fixture.workers.slice(1)) {
      expect(await process.exited).toMatchObject({ status: 0 });
      await until(() => expect(fixture.said).toContain(`exited ${hostname()} ${process.pid} exit status 0`));
    }
    expect(await scaleTo(1)).toBe('1 -> 1 worker');
    expect(await scaleTo(2)).toBe('1 -> 2 workers');
    expect(names().slice(4)).toEqual(['worker-1']);
    // Only what was not asked for is worth a line of its own.
    expect(fixture.said.filter((line) => /^(worker|scaled)/.test(line))).toEqual([
      'scaled: 2 -> 4 workers, 2 of them spare (2 shards)',
      'scaled: 4 -> 1 worker',
      'scaled: 1 -> 1 worker',
      'scaled: 1 -> 2 workers',
    ]);
  });

  it('calls off the restart of a worker that is not wanted any more', async () => {
    await fixture.start({ workers: 2, worker: 'process.exit(1)' });
    void fixture.run();
    await fixture.writeClusterFile();
    await until(() => expect(fixture.workers.length).toBeGreaterThanOrEqual(4));
    expect(await scaleTo(1)).toBe('2 -> 1 worker');
    const before = names().filter((name) => name === 'worker-1').length;
    const others = names().filter((name) => name === 'worker-0').length;
    await until(() => expect(names().filter((name) => name === 'worker-0').length).toBeGreaterThan(others));
    expect(names().filter((name) => name === 'worker-1')).toHaveLength(before);
  });

  it('is refused when the run is ending', async () => {
    await fixture.start();
    void fixture.run();
    await fixture.writeClusterFile();
    await fixture.endRun();
    await expect(scaleTo(2)).rejects.toThrow('run test has 1 worker: it is ending');
  });

  it('says that nobody answers when the launcher or its nats-server is gone, without waiting for long', async () => {
    await fixture.start();
    await fixture.close();
    await fixture.writeClusterFile();
    const atMs = performance.now();
    await expect(scaleTo(2)).rejects.toThrow(
      `run test does not answer (launcher: process ${process.pid}): it is ending, or was killed`,
    );
    expect(performance.now() - atMs).toBeLessThan(3_000);
    rmSync(fixture.folder, { recursive: true, force: true });
  });
});
