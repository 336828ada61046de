import { spawn } from 'node:child_process';
import { mkdirSync, openSync, closeSync, writeFileSync } from 'node:fs';
import { connect } from 'nats';
import { join, resolve } from 'node:path';
import type { RunningNatsServer } from '../../deploy/nats-server/index.js';
import { lasting, Overdue } from './pulse.js';

const TETHER = resolve(import.meta.dirname, '../../dist/deploy/nats-server/tether.js');
const USER = 'chaos';
const PASSWORD = 'chaos';
const READY_WITHIN_MS = 20_000;

export interface LimitedNatsOptions {
  readonly binary: string;
  readonly storeFolder: string;
  readonly port: number;
  /** What JetStream may keep in files: a disk that is soon full. */
  readonly maxFileStoreBytes: number;
}

/** A nats-server whose JetStream has little room; otherwise as the ordinary one. */
export async function startLimitedNats(options: LimitedNatsOptions): Promise<RunningNatsServer> {
  const { binary, storeFolder, port, maxFileStoreBytes } = options;
  mkdirSync(storeFolder, { recursive: true });
  const configFile = join(storeFolder, 'limited.conf');
  const credentialsFile = join(storeFolder, 'limited-credentials');
  const pidFile = join(storeFolder, 'limited.pid');
  const config = [
    'host: "127.0.0.1"',
    `port: ${port}`,
    `pid_file: ${JSON.stringify(pidFile)}`,
    'max_payload: 1048576',
    'jetstream {',
    `  store_dir: ${JSON.stringify(storeFolder)}`,
    `  max_file_store: ${maxFileStoreBytes}`,
    '  sync_interval: always',
    '}',
    `authorization { user: ${USER}, password: ${PASSWORD} }`,
    '',
  ];
  writeFileSync(configFile, config.join('\n'));
  writeFileSync(credentialsFile, `${USER}:${PASSWORD}\n`);
  const log = openSync(join(storeFolder, 'limited.txt'), 'a');
  const tether = spawn(process.execPath, [TETHER, binary, '--config', configFile], {
    stdio: ['pipe', log, log],
    detached: true,
  });
  closeSync(log);
  tether.stdin?.on('error', () => undefined); // closed by its end: `exited` tells
  const exited = new Promise<string>((done) =>
    tether.once('exit', (status) => done(`ended with exit status ${status}`)),
  );
  const url = `nats://127.0.0.1:${port}`;
  await answers(url);
  return {
    url,
    credentialsFile,
    pid: tether.pid ?? 0,
    exited,
    stop: async () => {
      tether.stdin?.end();
      await exited;
    },
  };
}

async function answers(url: string): Promise<void> {
  const untilMs = Date.now() + READY_WITHIN_MS;
  while (Date.now() < untilMs) {
    try {
      const connection = await connect({ servers: url, user: USER, pass: PASSWORD, reconnect: false });
      await connection.jetstreamManager();
      return await connection.close();
    } catch {
      await lasting(50); // a server that comes up tells nobody
    }
  }
  throw new Overdue(`a NATS server was expected at ${url}`);
}
