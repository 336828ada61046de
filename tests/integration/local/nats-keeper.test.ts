import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { NatsKeeper } from '../../../deploy/local/nats-keeper.js';
import { findNatsServer } from '../../../deploy/nats-server/index.js';
import { Bus } from '../../../proto/runtime/bus.js';
import { cacheFolder } from '../../../proto/runtime/cache-folder.js';
import { isAlive, until } from './conditions.js';

let binary = '';
beforeAll(async () => {
  binary = (await findNatsServer({ environment: process.env, cacheFolder: cacheFolder(process.env) })).path;
}, 200_000);

let storeFolder = '';
let said: string[] = [];
const keepers: NatsKeeper[] = [];
const buses: Bus[] = [];
beforeEach(async () => {
  said = [];
  storeFolder = await mkdtemp(join(tmpdir(), 'nats-keeper-'));
});
afterEach(async () => {
  await Promise.all(buses.splice(0).map((bus) => bus.close()));
  await Promise.all(keepers.splice(0).map((keeper) => keeper.stop()));
  await rm(storeFolder, { recursive: true, force: true, maxRetries: 20 });
});

async function keep(options: { signal?: AbortSignal; program?: string } = {}): Promise<NatsKeeper> {
  const { signal = new AbortController().signal, program = binary } = options;
  const keeper = await NatsKeeper.start({
    binary: program,
    storeFolder,
    signal,
    say: (line) => said.push(line),
    log: 'the log',
  });
  keepers.push(keeper);
  return keeper;
}

async function connect(keeper: NatsKeeper): Promise<Bus> {
  const { url, credentialsFile } = keeper;
  const bus = await Bus.connect({ url, credentialsFile, cluster: 'test', name: 'test' });
  buses.push(bus);
  return bus;
}

/** Of the server that runs now. */
const pidOf = (keeper: NatsKeeper): number => {
  expect(keeper.pid).not.toBeNull();
  return keeper.pid ?? 0;
};

/** The tether of a server. */
const parentOf = (pid: number): number =>
  Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

/** Kills the server and awaits the next one. */
async function killAndAwait(keeper: NatsKeeper, victim = pidOf(keeper)): Promise<void> {
  const before = pidOf(keeper);
  process.kill(victim, 'SIGKILL');
  await until(() => expect([before, null]).not.toContain(keeper.pid));
}

describe('a nats-server that is killed', () => {
  it('is there again at the same port, with its data, and clients find it by themselves', async () => {
    const keeper = await keep();
    const bus = await connect(keeper);
    const ups: boolean[] = [];
    bus.onConnection((up) => ups.push(up));
    const kv = await bus.connection.jetstream().views.kv('bucket');
    await kv.put('key', 'value');
    const credentials = await readFile(keeper.credentialsFile, 'utf8');

    await killAndAwait(keeper);
    await until(() => expect(ups).toEqual([false, true]));
    expect((await kv.get('key'))?.string()).toBe('value');
    expect(await readFile(keeper.credentialsFile, 'utf8')).toBe(credentials);
    expect(said).toEqual(['nats-server ended with exit status 137, started again (log: the log)']);

    await killAndAwait(keeper);
    const another = await connect(keeper);
    const bucket = await another.connection.jetstream().views.kv('bucket');
    expect((await bucket.get('key'))?.string()).toBe('value');
    expect(said[1]).toMatch(/, started again in 0\.5 s \(/);
  });

  it.skipIf(process.platform !== 'linux')('comes back also when its tether was killed', async () => {
    const keeper = await keep();
    await killAndAwait(keeper, parentOf(pidOf(keeper)));
    await connect(keeper);
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/^nats-server was ended by SIGKILL, started again /);
  });

  it('also comes back after the run was interrupted, for the last checkpoint', async () => {
    const interrupt = new AbortController();
    const keeper = await keep({ signal: interrupt.signal });
    interrupt.abort();
    await killAndAwait(keeper);
    await connect(keeper);
  });

  it('is tried again when it cannot be started, and given up after five ends in a row', async () => {
    const program = join(storeFolder, 'program');
    await symlink(binary, program);
    const keeper = await keep({ program });
    await rm(program);
    process.kill(pidOf(keeper), 'SIGKILL');
    await until(() => expect(said).toHaveLength(2));
    expect(said[1]).toMatch(
      /^nats-server could not be started \(nats-server ended with exit status 127: .*ENOENT\), started again in 0\.5 s/,
    );
    await symlink(binary, program);
    await until(() => pidOf(keeper));
    await connect(keeper);

    await rm(program);
    process.kill(pidOf(keeper), 'SIGKILL');
    expect((await keeper.over).decision).toEqual({ kind: 'giveUp' });
    expect(said).toHaveLength(5);
    expect(said[4]).toContain(', not started again: ');
    expect(keeper.pid).toBeNull();
  });
});

describe('a keeper that is stopped', () => {
  it('leaves no server, and starts none again', async () => {
    const keeper = await keep();
    const pid = pidOf(keeper);
    await keeper.stop();
    await keeper.stop();
    expect(await isAlive(pid)).toBe(false);
    expect(await keeper.over).toMatchObject({ decision: null });
    expect(said).toEqual([]);
  });

  it.each(['as it is killed', 'when it has been told of the end'])(
    'does not race with a restart: %s',
    async (when) => {
      const keeper = await keep();
      const pid = pidOf(keeper);
      process.kill(pid, 'SIGKILL');
      if (when !== 'as it is killed') await until(() => expect(said).toHaveLength(1));
      await keeper.stop();
      expect(keeper.pid).toBeNull();
      const next = Number(await readFile(join(storeFolder, 'nats-server.pid'), 'utf8').catch(() => '0'));
      for (const gone of [pid, next]) if (gone > 0) expect(await isAlive(gone)).toBe(false);
      // The store is free.
      const after = await keep();
      await connect(after);
    },
  );
});
