import { mkdirSync, readFileSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROLES, type Role } from '../../../proto/index.js';
import { temporaryFolder } from '../cluster/gan-cluster.js';
import { RUN, clusterOfRoles, hashOf, trainedTo, unrestrictedHash } from './cluster-of-roles.js';
import type { RolesServer } from './roles-server.js';

const STEPS = 300;
const SHAPE = ['--data', 'synthetic', '--shards', '2', '--shard-batch', '8', '--steps', String(STEPS)];

const seedOf = (server: RolesServer, role: Role): string =>
  readFileSync(server.credentialsOf(role), 'utf8').trim();

describe('a cluster whose roles can do only what they need', { timeout: 300_000 }, () => {
  it('trains, loses a worker, stops, resumes, and ends as one that may do everything', async () => {
    const { server, cluster } = await clusterOfRoles();
    const expected = await unrestrictedHash(SHAPE);
    const out = join(temporaryFolder(), 'run');
    const plan = [...SHAPE, '--out', out, '--run-id', RUN, '--workers', '2', '--checkpoint-every-s', '1'];
    const [coordinator, first, second, watch] = [
      cluster.start('coordinator', plan),
      cluster.start('worker', []),
      cluster.start('worker', []),
      cluster.start('watch', ['--json']),
    ];
    await trainedTo(watch, 60);
    second.child.kill('SIGKILL');
    const third = cluster.start('worker', []);
    await trainedTo(watch, 130);
    coordinator.interrupt();
    const statuses = async (...all: (typeof first)[]): Promise<(number | null)[]> =>
      Promise.all(all.map(async ({ finished }) => (await finished).status));
    expect(await statuses(coordinator, watch, first, third)).toEqual([130, 130, 0, 0]);

    const again = [
      cluster.start('coordinator', [...plan, '--resume']),
      ...[cluster.start('worker', []), cluster.start('worker', []), cluster.start('watch', ['--json'])],
    ];
    expect(await statuses(...again)).toEqual([0, 0, 0, 0]);
    expect(hashOf(out)).toBe(expected);
    expect(server.log).not.toMatch(/violation/i);

    const told = [
      ...[await cluster.said(), server.log, readFileSync(join(server.secrets, 'nats/users.conf'), 'utf8')],
      ...readdirSync(out, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1')),
    ].join('\n');
    for (const role of ROLES) expect(told).not.toContain(seedOf(server, role));
  });

  it('ends in one line when a key is taken back, each process for itself', async () => {
    const { server, cluster } = await clusterOfRoles();
    const out = join(temporaryFolder(), 'run');
    const all = [
      cluster.start('coordinator', [...SHAPE, '--steps', '100000', '--out', out, '--run-id', RUN]),
      ...[cluster.start('worker', []), cluster.start('watch', ['--json'])],
    ];
    const [, , watch] = all;
    await watch?.printed('"phase":"training","step":');
    const old = join(temporaryFolder(), 'old');
    for (const role of ROLES) {
      mkdirSync(join(old, role), { recursive: true });
      renameSync(server.credentialsOf(role), join(old, role, 'nats.creds'));
    }
    await server.makeUsers();
    server.reload();
    for (const { finished } of all) {
      const { status, stderr, stdout } = await finished;
      expect(status).toBe(2);
      expect(
        (stderr + stdout).match(/the NATS server at \S+ refuses the credentials in \S+nats\.creds/g),
      ).toHaveLength(1);
    }
    const late = cluster.start('worker', [], join(old, 'worker', 'nats.creds'));
    const { status, stderr } = await late.finished;
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: the NATS server at \S+ refuses the credentials in [^\n]+\n$/);
  });

  it.each([
    ['coordinator', 'worker', ['--data', 'synthetic']],
    ['coordinator', 'watch', ['--data', 'synthetic']],
    ['worker', 'watch', []],
    ['worker', 'coordinator', []],
    ['watch', 'worker', []],
    ['watch', 'coordinator', []],
  ] as const)('a %s with the credentials of %s ends in one line', async (role, other, args) => {
    const { server, cluster } = await clusterOfRoles();
    const extra = role === 'coordinator' ? ['--out', join(temporaryFolder(), 'run')] : [];
    const wrong = cluster.start(role, [...args, ...extra], server.credentialsOf(other));
    const { status, stderr } = await wrong.finished;
    expect(status).toBe(2);
    expect(stderr).toMatch(/(^|\n)error: the NATS server does not let [^\n]+ of (this )?cluster[^\n]*\n$/);
  });
});
