import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { setup } from '../../../deploy/setup/index.js';
import { ROLES } from '../../../proto/index.js';
import { parseCredentials } from '../../../proto/runtime/credentials.js';
import { ganCluster, temporaryFolder } from '../cluster/gan-cluster.js';

const read = (...path: string[]): string => readFileSync(join(...path), 'utf8');
const seedsOf = (secrets: string): string[] =>
  ROLES.map((role) => read(secrets, role, 'nats.creds').trimEnd());

describe('setup', () => {
  it('makes one seed a role, readable by its user only, and tells the server the public keys', async () => {
    const secrets = join(temporaryFolder(), 'secrets');
    const { status, stdout, stderr } = await ganCluster(['setup', '--secrets', secrets, '--cluster', 'ours']);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^made credentials for coordinator, worker, watch in [^\n]+ in cluster ours\n$/);
    const seeds = seedsOf(secrets);
    expect(new Set(seeds).size).toBe(3);
    const users = read(secrets, 'nats', 'users.conf');
    for (const [i, seed] of seeds.entries()) {
      const found = parseCredentials(seed);
      expect(users).toContain(found?.kind === 'nkey' ? found.publicKey : 'a key');
      expect(users + stdout).not.toContain(seed);
      expect(statSync(join(secrets, ROLES[i] ?? '', 'nats.creds')).mode & 0o777).toBe(0o600);
    }
    expect(users).toContain('gan.ours.up.>');
    for (const folder of [...ROLES, 'nats']) expect(readdirSync(join(secrets, folder))).toHaveLength(1);
  });

  it('keeps what is there, also in folders that are volumes, and writes what may be done anew', async () => {
    const secrets = temporaryFolder();
    for (const folder of [...ROLES, 'nats']) mkdirSync(join(secrets, folder));
    const inodes = (): number[] => [...ROLES, 'nats'].map((folder) => statSync(join(secrets, folder)).ino);
    const before = inodes();
    await setup({ secrets, cluster: 'c' });
    const [first, users] = [seedsOf(secrets), read(secrets, 'nats', 'users.conf')];
    writeFileSync(join(secrets, 'nats', 'users.conf'), 'of an older version');
    expect(await setup({ secrets, cluster: 'c' })).toMatch(/^kept those of coordinator, worker, watch in /);
    expect(seedsOf(secrets)).toEqual(first);
    expect(read(secrets, 'nats', 'users.conf')).toBe(users);
    rmSync(join(secrets, 'worker', 'nats.creds'));
    expect(await setup({ secrets, cluster: 'c' })).toMatch(
      /^made credentials for worker, kept those of coordinator, watch in /,
    );
    const [coordinator, worker, watch] = seedsOf(secrets);
    expect([coordinator, watch]).toEqual([first[0], first[2]]);
    expect(worker).not.toBe(first[1]);
    expect(inodes()).toEqual(before);
  });

  it('run many times at once, makes one set', async () => {
    const secrets = temporaryFolder();
    await Promise.all(Array.from({ length: 20 }, () => setup({ secrets, cluster: 'c' })));
    const users = read(secrets, 'nats', 'users.conf');
    for (const seed of seedsOf(secrets)) {
      const found = parseCredentials(seed);
      expect(users).toContain(found?.kind === 'nkey' ? found.publicKey : 'a key');
    }
    for (const folder of [...ROLES, 'nats']) expect(readdirSync(join(secrets, folder))).toHaveLength(1);
  });

  it.each(['', 'ada:lovelace', 'SUA', 'two\nlines'])(
    'tells a file that holds %j in one line',
    async (text) => {
      const secrets = temporaryFolder();
      await setup({ secrets, cluster: 'c' });
      writeFileSync(join(secrets, 'worker', 'nats.creds'), text);
      const { status, stderr } = await ganCluster(['setup', '--secrets', secrets]);
      expect(status).toBe(2);
      expect(stderr).toMatch(
        /^error: --secrets: \S+worker\/nats\.creds was expected to hold one line with the seed [^\n]+\n$/,
      );
      if (text.length > 3) expect(stderr).not.toContain(text.slice(0, 8));
    },
  );

  it('tells a place where nothing can be made in one line', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    for (const secrets of [join(file, 'x'), '/proc/x']) {
      const { status, stderr } = await ganCluster(['setup', '--secrets', secrets]);
      expect(status).toBe(2);
      expect(stderr).toMatch(/^error: --secrets: \S+ cannot be made or read: [^\n]+\n$/);
      expect(existsSync(secrets)).toBe(false);
    }
  });
});
