import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { connect, nkeyAuthenticator, type NatsConnection } from 'nats';
import { findNatsServer } from '../../../deploy/nats-server/index.js';
import { pollUntil } from '../../../deploy/nats-server/poll.js';
import { isReady, readPortsFile } from '../../../deploy/nats-server/readiness.js';
import { setup } from '../../../deploy/setup/index.js';
import { inboxPrefix, type Role } from '../../../proto/index.js';
import { cacheFolder } from '../../../proto/runtime/cache-folder.js';

const CONFIG = resolve(import.meta.dirname, '../../../deploy/nats/nats.conf');
export const CLUSTER = 'c1';

/** A nats-server with the containers' own configuration and what `setup` makes, on free ports of 127.0.0.1. */
export class RolesServer {
  private child: ChildProcess | null = null;
  url = '';

  private constructor(readonly folder: string) {}

  static async start(): Promise<RolesServer> {
    const server = new RolesServer(mkdtempSync(join(tmpdir(), 'gan-roles-')));
    const { folder } = server;
    for (const name of ['conf/users', 'ports', 'store']) mkdirSync(join(folder, name), { recursive: true });
    const config = readFileSync(CONFIG, 'utf8').replace('"/data"', JSON.stringify(join(folder, 'store')));
    writeFileSync(join(folder, 'conf/nats.conf'), config);
    await server.makeUsers();
    const found = await findNatsServer({ environment: process.env, cacheFolder: cacheFolder(process.env) });
    server.child = spawn(
      found.path,
      [
        ...['-c', join(folder, 'conf/nats.conf'), '-l', join(folder, 'nats.log')],
        ...['-a', '127.0.0.1', '-p', '-1', '-m', '-1', '--ports_file_dir', join(folder, 'ports')],
      ],
      { stdio: 'ignore' },
    );
    const url = await pollUntil(
      async () => {
        const listening = await readPortsFile(join(folder, 'ports'));
        return listening !== null && (await isReady(listening.url)) ? listening.url : null;
      },
      { everyMs: 20, deadlineMs: 20_000, signal: undefined },
    );
    if (url === null) throw new Error(`nats-server did not come up:\n${server.log}`);
    server.url = url;
    return server;
  }

  get secrets(): string {
    return join(this.folder, 'secrets');
  }

  get log(): string {
    return readFileSync(join(this.folder, 'nats.log'), 'utf8');
  }

  credentialsOf(role: Role): string {
    return join(this.secrets, role, 'nats.creds');
  }

  /** Runs `setup` and gives the server what it made. */
  async makeUsers(): Promise<void> {
    await setup({ secrets: this.secrets, cluster: CLUSTER });
    copyFileSync(join(this.secrets, 'nats/users.conf'), join(this.folder, 'conf/users/users.conf'));
  }

  /** Has the server read its configuration again. */
  reload(): void {
    this.child?.kill('SIGHUP');
  }

  /** Whoever has a role's credentials, with a client of the trade. */
  connect(role: Role): Promise<NatsConnection> {
    const seed = new TextEncoder().encode(readFileSync(this.credentialsOf(role), 'utf8').trim());
    return connect({
      ...{ servers: this.url, authenticator: nkeyAuthenticator(seed), reconnect: false },
      inboxPrefix: inboxPrefix(CLUSTER, role),
    });
  }

  async stop(): Promise<void> {
    if (this.child !== null && this.child.exitCode === null) {
      const ended = once(this.child, 'exit');
      this.child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20 });
  }
}
