import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { connect, Events, nkeyAuthenticator, type NatsConnection } from 'nats';
import { GenericContainer, Wait, type StartedTestContainer } from 'testcontainers';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { RunStore } from '../../coordinator/index.js';
import { setup } from '../../deploy/setup/index.js';
import { inboxPrefix, subjects, type Role } from '../../proto/index.js';

const images = inject('containerImages');
const CONFIG = resolve(import.meta.dirname, '../../deploy/nats/nats.conf');
const IMAGE = process.env.GAN_NATS_IMAGE ?? 'nats:2.10-alpine';
const CLUSTER = 'c1';
const RUN = 'r1';
const PORT = 4222;
// The container is stopped below; the one that testcontainers would start to see to it comes from a registry.
process.env.TESTCONTAINERS_RYUK_DISABLED ??= 'true';

/** The image, the configuration and what `setup` makes: the server that `docker compose up` starts, alone. */
describe.skipIf(images === null)('the NATS container', () => {
  const secrets = mkdtempSync(join(tmpdir(), 'gan-nats-container-'));
  const open: NatsConnection[] = [];
  let container: StartedTestContainer | undefined;

  beforeAll(async () => {
    await setup({ secrets, cluster: CLUSTER });
    container = await new GenericContainer(IMAGE)
      .withCommand(['--config', '/etc/nats/gan/nats.conf'])
      .withCopyFilesToContainer([
        { source: CONFIG, target: '/etc/nats/gan/nats.conf' },
        { source: join(secrets, 'nats', 'users.conf'), target: '/etc/nats/gan/users/users.conf' },
      ])
      .withExposedPorts(PORT)
      .withWaitStrategy(Wait.forLogMessage('Server is ready'))
      .start();
  });
  afterAll(async () => {
    for (const connection of open) await connection.close();
    await container?.stop();
    rmSync(secrets, { recursive: true, force: true });
  });

  const server = (): string => `${container?.getHost()}:${container?.getMappedPort(PORT)}`;
  const as = async (role: Role): Promise<NatsConnection> => {
    const seed = new TextEncoder().encode(readFileSync(join(secrets, role, 'nats.creds'), 'utf8').trim());
    const connection = await connect({
      ...{ servers: server(), authenticator: nkeyAuthenticator(seed), reconnect: false },
      inboxPrefix: inboxPrefix(CLUSTER, role),
    });
    open.push(connection);
    return connection;
  };

  it('lets nobody in who has no key, and none but its own', async () => {
    await expect(connect({ servers: server(), reconnect: false })).rejects.toThrow('Authorization Violation');
    await expect(connect({ servers: server(), user: 'worker', pass: 'worker' })).rejects.toThrow();
    for (const role of ['coordinator', 'worker', 'watch'] as const)
      expect((await as(role)).isClosed()).toBe(false);
  });

  it("does not let a worker say what the coordinator's word is", async () => {
    const [worker, watch] = [await as('worker'), await as('watch')];
    const said = [subjects.all(CLUSTER, 'stop'), subjects.out(CLUSTER, 'ended')];
    const heard = watch.subscribe(subjects.out(CLUSTER, 'ended'));
    const refused: string[] = [];
    void (async () => {
      for await (const { type, permissionContext } of worker.status())
        if (type === Events.Error) refused.push(permissionContext?.subject ?? '');
    })();
    for (const subject of said) worker.publish(subject);
    await worker.flush();
    await worker.flush();
    expect(refused).toEqual(said);
    expect(heard.getReceived()).toBe(0);
  });

  it('has what it acknowledged on the disk when it is killed', async () => {
    const lead = { holder: 'h', beat: 7, ended: null };
    const revision = await (await RunStore.open(await as('coordinator'), RUN, null)).writeLead(lead, 0);
    await container?.restart({ timeout: 0 });
    const after = await RunStore.open(await as('coordinator'), RUN, null);
    expect(await after.readLead()).toEqual({ revision, lead });
  });
});
