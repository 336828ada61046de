import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../chaos/free-port.js';
import { temporaryFolder } from '../cluster/gan-cluster.js';
import { clusterOfRoles, hashOf, trainedTo, unrestrictedHash } from './cluster-of-roles.js';

const SHAPE = ['--data', 'synthetic', '--shards', '2', '--shard-batch', '8', '--steps', '120'];
const seeded = (seed: number): string[] => [...SHAPE, '--seed', String(seed)];

/** As in an orchestrator that starts again whatever ends: coordinator, standby and workers are to stay. */
describe('coordinators and workers as services', { timeout: 120_000 }, () => {
  it('train a run, outlive the leader, and train the next run with the same workers', async () => {
    const { cluster } = await clusterOfRoles();
    const outs = [1, 2].map((seed) => join(temporaryFolder(), `run-${seed}`));
    const plan = (seed: number, name: string): string[] => [
      ...seeded(seed),
      ...['--service', '--workers', '2', '--checkpoint-every-s', '0.5', '--out', `${outs[seed - 1]}-${name}`],
    ];
    const ports = await Promise.all([freePort(), freePort()]);
    const workers = ports.map((port) =>
      cluster.start('worker', ['--service', '--metrics-port', String(port)]),
    );
    const readiness = (): Promise<number[]> =>
      Promise.all(ports.map(async (port) => (await fetch(`http://127.0.0.1:${port}/readyz`)).status));
    const watch = cluster.start('watch', ['--json']);
    const leader = cluster.start('coordinator', plan(1, 'a'));
    await trainedTo(watch, 10);
    const standby = cluster.start('coordinator', plan(1, 'b'));
    await standby.logged('this one stands by');
    await trainedTo(watch, 40);
    expect(await readiness()).toEqual([200, 200]);
    leader.child.kill('SIGKILL');
    expect((await watch.finished).status).toBe(0);
    expect(hashOf(`${outs[0]}-b`)).toBe(await unrestrictedHash(seeded(1)));
    for (const worker of workers) await worker.logged('waits for another run');
    expect(await readiness()).toEqual([503, 503]);

    standby.interrupt();
    await standby.finished;
    const second = cluster.start('watch', ['--json']);
    cluster.start('coordinator', plan(2, 'a'));
    expect((await second.finished).status).toBe(0);
    expect(hashOf(`${outs[1]}-a`)).toBe(await unrestrictedHash(seeded(2)));

    for (const worker of workers) {
      expect(worker.child.exitCode).toBeNull();
      worker.interrupt();
      expect((await worker.finished).status).toBe(0);
    }
  });
});
