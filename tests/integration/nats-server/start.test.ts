import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NatsConnection } from 'nats';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  findNatsServer,
  startNatsServer,
  type RunningNatsServer,
  type StartOptions,
} from '../../../deploy/nats-server/index.js';
import { pollUntil } from '../../../deploy/nats-server/poll.js';
import { OperationalError, UsageError } from '../../../proto/index.js';
import { cacheFolder } from '../../../proto/runtime/cache-folder.js';

/** What child processes are started from. */
const COMPILED = new URL('../../../dist/deploy/nats-server/index.js', import.meta.url).href;
const DEADLINE_MS = 15_000;

let binary = '';
beforeAll(async () => {
  binary = (await findNatsServer({ environment: process.env, cacheFolder: cacheFolder(process.env) })).path;
}, 200_000);

let folder = '';
let storeFolder = '';
const running: RunningNatsServer[] = [];
const launchers: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nats-store-'));
  storeFolder = join(folder, 'store "of" nats');
});
afterEach(async () => {
  for (const launcher of launchers.splice(0)) launcher.kill('SIGKILL');
  await Promise.all(running.splice(0).map((server) => server.stop()));
  await rm(folder, { recursive: true, force: true, maxRetries: 20 });
});

async function start(options: Partial<StartOptions> = {}): Promise<RunningNatsServer> {
  const server = await startNatsServer({ binary, storeFolder, ...options });
  running.push(server);
  return server;
}

async function connectTo(
  server: Pick<RunningNatsServer, 'url' | 'credentialsFile'>,
): Promise<NatsConnection> {
  const [user, pass] = (await readFile(server.credentialsFile, 'utf8')).trim().split(':');
  return connect({ servers: server.url, user: user ?? '', pass: pass ?? '', reconnect: false });
}

/** Whether a process runs; one that has ended and whose new parent has not looked yet does not. */
async function isAlive(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (process.platform !== 'linux') return true;
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return status !== '' && !/^State:\s+Z/m.test(status);
}

async function expectGone(pid: number): Promise<void> {
  const gone = await pollUntil(async () => !(await isAlive(pid)), {
    everyMs: 20,
    deadlineMs: DEADLINE_MS,
  });
  expect(gone, `process ${pid} is gone`).toBe(true);
}

async function failure(promise: Promise<unknown>): Promise<OperationalError> {
  const error: unknown = await promise.then(
    () => 'nothing thrown',
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(OperationalError);
  expect((error as OperationalError).message).not.toContain('\n');
  return error as OperationalError;
}

/** A process that starts a server and then waits, as a launcher does; it takes no notice of SIGINT. */
async function launcher(): Promise<{
  process: ChildProcess;
  server: { url: string; credentialsFile: string; pid: number };
}> {
  const script = `
    import { startNatsServer } from ${JSON.stringify(COMPILED)};
    process.on('SIGINT', () => console.log('SIGINT'));
    const server = await startNatsServer(${JSON.stringify({ binary, storeFolder })});
    const { url, credentialsFile, pid } = server;
    console.log(JSON.stringify({ url, credentialsFile, pid }));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true, // a process group of its own, as a shell gives to a command
  });
  launchers.push(child);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return {
    process: child,
    server: JSON.parse(line.toString()) as { url: string; credentialsFile: string; pid: number },
  };
}

describe('startNatsServer', () => {
  it('gives a JetStream that keeps what it was given over a restart', async () => {
    const first = await start();
    let connection = await connectTo(first);
    expect(connection.info?.max_payload).toBe(1_048_576);
    const bytes = Uint8Array.from({ length: 3_000_000 }, (_, i) => i * 7);
    await (await connection.jetstream().views.kv('bucket')).put('key', 'value');
    await (await connection.jetstream().views.os('objects')).putBlob({ name: 'blob' }, bytes);
    await connection.close();
    await first.stop();
    await first.stop();
    await expectGone(first.pid);

    connection = await connectTo(await start());
    const entry = await (await connection.jetstream().views.kv('bucket')).get('key');
    expect(entry?.string()).toBe('value');
    const blob = await (await connection.jetstream().views.os('objects')).getBlob('blob');
    expect(Buffer.compare(blob ?? new Uint8Array(0), bytes)).toBe(0);
    await connection.close();
  });

  it('lets nobody in without the password, which only this user can read', async () => {
    const server = await start();
    await expect(connect({ servers: server.url, reconnect: false })).rejects.toThrow(/AUTHORIZATION/i);
    const wrong = { servers: server.url, user: 'gan-cluster', pass: 'wrong', reconnect: false };
    await expect(connect(wrong)).rejects.toThrow(/AUTHORIZATION/i);
    const credentials = await readFile(server.credentialsFile, 'utf8');
    expect(credentials).toMatch(/^gan-cluster:[\w-]{32}\n$/);
    const files = [server.credentialsFile, join(storeFolder, 'nats-server.conf')];
    for (const file of files) expect((await stat(file)).mode & 0o777).toBe(0o600);
    if (process.platform === 'linux') {
      const line = await readFile(`/proc/${server.pid}/cmdline`, 'utf8');
      expect(line).toContain('nats-server.conf');
      expect(line).not.toContain(credentials.trim().split(':')[1]);
    }
  });

  it('listens on the loopback interface only', async () => {
    const { url } = await start();
    expect(new URL(url).hostname).toBe('127.0.0.1');
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((address) => address?.family === 'IPv4' && !address.internal);
    if (outside === undefined) return;
    await expect(
      connect({ servers: `${outside.address}:${new URL(url).port}`, reconnect: false, timeout: 2_000 }),
    ).rejects.toThrow(/CONNECTION_REFUSED|ECONNREFUSED/);
  });

  it('takes the password that it is given and a fixed port', async () => {
    const port = await freePort();
    const server = await start({ port, password: 'given' });
    expect(server.url).toBe(`nats://127.0.0.1:${port}`);
    expect(await readFile(server.credentialsFile, 'utf8')).toBe('gan-cluster:given\n');
    await (await connectTo(server)).close();
  });

  it('tells when the server ends by itself', async () => {
    const server = await start();
    process.kill(server.pid, 'SIGKILL');
    expect(await server.exited).toMatch(/^ended with exit status/);
    await server.stop();
  });
});

describe('a server and its launcher', () => {
  it('ends when the launcher is killed, and a new one finds the store free and whole', async () => {
    const killed = await launcher();
    const connection = await connectTo(killed.server);
    await (await connection.jetstream().views.kv('bucket')).put('key', 'value');
    await connection.close();
    killed.process.kill('SIGKILL');
    const next = await start(); // at once: the old server may still be there
    expect(await isAlive(killed.server.pid)).toBe(false);
    const again = await connectTo(next);
    expect((await (await again.jetstream().views.kv('bucket')).get('key'))?.string()).toBe('value');
    await again.close();
  });

  it('leaves no process when the launcher is killed', async () => {
    const killed = await launcher();
    expect(await isAlive(killed.server.pid)).toBe(true);
    killed.process.kill('SIGKILL');
    await expectGone(killed.server.pid);
  });

  it("does not get the launcher's Ctrl-C", async () => {
    const { process: child, server } = await launcher();
    process.kill(-(child.pid ?? 0), 'SIGINT');
    const [said] = (await once(child.stdout ?? child, 'data')) as [Buffer];
    expect(said.toString()).toBe('SIGINT\n');
    await (await connectTo(server)).close();
  });

  it('ends with its tether', async () => {
    const server = await start();
    const tether = await parentOf(server.pid);
    process.kill(tether, 'SIGKILL');
    expect(await server.exited).toBe('was ended by SIGKILL');
    await expectGone(server.pid);
    await server.stop();
  });

  it('keeps its store to itself', async () => {
    const server = await start();
    const error = await failure(startNatsServer({ binary, storeFolder, storeWaitMs: 100 }));
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toContain(`is in use by another cluster (nats-server, process ${server.pid})`);
    await (await connectTo(server)).close();
  });
});

describe('a start that fails', () => {
  it('says that the port is taken', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as AddressInfo;
    const error = await failure(start({ port }));
    holder.close();
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toContain(`port ${port} on 127.0.0.1 is taken`);
  });

  it('says that the store folder is a file, or holds a file where JetStream needs a folder', async () => {
    await writeFile(storeFolder, '');
    expect((await failure(start())).message).toMatch(/store "of" nats was expected to be a folder$/);
    await rm(storeFolder);
    await mkdir(storeFolder);
    await writeFile(join(storeFolder, 'jetstream'), '');
    expect((await failure(start())).message).toMatch(/^nats-server ended with exit status 1: .*jetstream/i);
  });

  it('says that the binary is missing or something else', async () => {
    expect((await failure(start({ binary: join(folder, 'none') }))).message).toMatch(
      /exit status 127: .*ENOENT/,
    );
    expect((await failure(start({ binary: '/bin/false' }))).message).toBe(
      'nats-server ended with exit status 1',
    );
  });

  it('gives up on a server that is never ready, and leaves none', async () => {
    const sleeper = join(folder, 'sleeper');
    const pidFile = join(folder, 'pid');
    await writeFile(sleeper, `#!/bin/sh\necho $$ > ${pidFile}\nexec sleep 600\n`, { mode: 0o755 });
    const error = await failure(start({ binary: sleeper, readyTimeoutMs: 1_500 }));
    expect(error.message).toBe('nats-server was not ready within 1.5 s');
    await expectGone(Number(await readFile(pidFile, 'utf8')));
  });

  it('ends at once when it is interrupted', async () => {
    expect((await failure(start({ signal: AbortSignal.abort() }))).code).toBe('aborted');
    const abort = new AbortController();
    const starting = failure(start({ signal: abort.signal, binary: '/usr/bin/yes' }));
    abort.abort();
    expect((await starting).code).toBe('aborted');
  });
});

async function freePort(): Promise<number> {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  holder.close();
  await once(holder, 'close');
  return port;
}

async function parentOf(pid: number): Promise<number> {
  if (process.platform === 'linux') {
    return Number(/^PPid:\s+(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]);
  }
  const ps = spawn('ps', ['-o', 'ppid=', '-p', String(pid)]);
  const [line] = (await once(ps.stdout, 'data')) as [Buffer];
  return Number(line.toString());
}
