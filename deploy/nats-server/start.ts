import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OperationalError, messageOf } from '../../proto/index.js';
import { compiledUrl } from '../../proto/runtime/compiled-url.js';
import { writeWholeFile } from '../../proto/runtime/whole-file.js';
import { renderConfig } from './config.js';
import { startError } from './failure.js';
import { pollUntil } from './poll.js';
import { isReady, readPortsFile, type Listening } from './readiness.js';
import { awaitStoreFree } from './store-owner.js';

export interface StartOptions {
  /** Path of a nats-server that is new enough; see findNatsServer. */
  readonly binary: string;
  /** Keeps JetStream's data, the configuration and the log; made when it is missing. */
  readonly storeFolder: string;
  /** 0, the default, for a free one. */
  readonly port?: number | undefined;
  /** A random one when absent; it is written to files that only this user can read, never to a command line. */
  readonly password?: string | undefined;
  /** Until the server answers; with much data in the store it first reads that. */
  readonly readyTimeoutMs?: number | undefined;
  /** How long the server of a launcher that was just killed may take to leave the store. */
  readonly storeWaitMs?: number | undefined;
  /** Ends the start. A server that is ready is ended by `stop`. */
  readonly signal?: AbortSignal | undefined;
}

export interface RunningNatsServer {
  /** Without credentials: `nats://127.0.0.1:PORT`. */
  readonly url: string;
  /** File with one line `user:password`, readable by this user only. */
  readonly credentialsFile: string;
  /** Of nats-server itself. */
  readonly pid: number;
  /** Resolves with words when the server has ended, asked for or not. */
  readonly exited: Promise<string>;
  /** Ends the server in order and resolves when it has gone; may be called again. */
  stop(): Promise<void>;
}

const USER = 'gan-cluster';
const PASSWORD_BYTES = 24;
const READY_TIMEOUT_MS = 30_000;
/** Longer than the tether's patience with its server. */
const STORE_WAIT_MS = 7_000;
const POLL_MS = 10;
/** Longer than the tether's own patience with the server. */
const STOP_TIMEOUT_MS = 8_000;
const MAX_SAID_BYTES = 16_384;

/**
 * Starts a nats-server with JetStream on 127.0.0.1 and resolves when it answers. It runs under a tether, which ends it
 * when this process is gone, however that came, and in a process group of its own, so that a Ctrl-C meant for the
 * launcher does not reach it before the last checkpoint is written. Throws OperationalError or UsageError with one line;
 * then nothing is left running.
 */
export async function startNatsServer(options: StartOptions): Promise<RunningNatsServer> {
  const storeFolder = resolve(options.storeFolder);
  const port = options.port ?? 0;
  const file = (name: string): string => join(storeFolder, name);
  const configFile = file('nats-server.conf');
  const credentialsFile = file('nats-credentials');
  const pidFile = file('nats-server.pid');
  const logFile = file('nats-server.log');
  const portsFolder = file('ports');
  const password = options.password ?? randomBytes(PASSWORD_BYTES).toString('base64url');
  const config = { port, user: USER, password, portsFolder, pidFile, logFile, jetStreamFolder: storeFolder };
  const rendered = renderConfig(config);
  try {
    await mkdir(portsFolder, { recursive: true });
    const waitMs = options.storeWaitMs ?? STORE_WAIT_MS;
    await awaitStoreFree(storeFolder, pidFile, configFile, { waitMs, signal: options.signal });
    for (const name of await readdir(portsFolder)) await rm(join(portsFolder, name));
    await writeWholeFile(configFile, rendered, { mode: 0o600 });
    await writeWholeFile(credentialsFile, `${USER}:${password}\n`, { mode: 0o600 });
  } catch (error) {
    if (error instanceof OperationalError) throw error;
    throw startError({ said: messageOf(error), storeFolder, port, words: 'cannot be prepared' });
  }
  const logStart = await sizeOf(logFile);
  const server = new TetheredServer(options.binary, ['--config', configFile]);
  try {
    const listening = await server.ready(portsFolder, options);
    return { ...listening, credentialsFile, exited: server.exited, stop: () => server.stop() };
  } catch (error) {
    await server.stop();
    if (!(error instanceof NotReady)) throw error;
    const said = `${server.said}\n${await readFrom(logFile, logStart)}`;
    throw startError({ said, storeFolder, port, words: error.message });
  }
}

/** The server did not come up; `message` says how. */
class NotReady extends Error {}

/** A command under the tether. */
class TetheredServer {
  readonly exited: Promise<string>;
  /** The beginning of what it wrote to standard error; after that it has its log. */
  said = '';
  private readonly tether: ChildProcess;
  private ended: string | null = null;

  constructor(command: string, commandArguments: readonly string[]) {
    const tether = fileURLToPath(compiledUrl(import.meta.url, './tether.js'));
    this.tether = spawn(process.execPath, [tether, command, ...commandArguments], {
      stdio: ['pipe', 'ignore', 'pipe'],
      detached: true,
    });
    this.tether.stdin?.on('error', () => undefined); // it ended before we did: `exited` tells
    this.tether.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.said = (this.said + text).slice(0, MAX_SAID_BYTES);
    });
    this.exited = new Promise((resolve) => {
      const end = (words: string): void => {
        this.ended = words;
        resolve(words);
      };
      this.tether.on('error', (error) => end(`could not be run: ${error.message}`));
      // A tether that was killed can no longer end its server; the pipes close with the server.
      this.tether.on('exit', (_, signal) => {
        if (signal !== null) this.killGroup();
      });
      this.tether.on('close', (status, signal) => {
        end(signal === null ? `ended with exit status ${status ?? 0}` : `was ended by ${signal}`);
      });
    });
  }

  async ready(portsFolder: string, options: StartOptions): Promise<Listening> {
    const { signal } = options;
    const deadlineMs = options.readyTimeoutMs ?? READY_TIMEOUT_MS;
    const listening = await pollUntil(
      async () => {
        if (this.ended !== null) throw new NotReady(this.ended);
        const found = await readPortsFile(portsFolder);
        return found !== null && (await isReady(found.url)) ? found : null;
      },
      { everyMs: POLL_MS, deadlineMs, signal },
    );
    if (listening !== null) return listening;
    if (signal?.aborted) throw new OperationalError('aborted', 'the start of nats-server was interrupted');
    throw new NotReady(`was not ready within ${deadlineMs / 1000} s`);
  }

  async stop(): Promise<void> {
    this.tether.stdin?.end();
    const patience = setTimeout(() => this.killGroup(), STOP_TIMEOUT_MS);
    await this.exited;
    clearTimeout(patience);
  }

  private killGroup(): void {
    if (this.tether.pid === undefined) return;
    try {
      process.kill(-this.tether.pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    (found) => found.size,
    () => 0,
  );
}

/** The end of a log, from `start` on, at most MAX_SAID_BYTES; empty when there is none. */
async function readFrom(path: string, start: number): Promise<string> {
  const size = await sizeOf(path);
  const from = Math.max(start > size ? 0 : start, size - MAX_SAID_BYTES);
  if (size <= from) return '';
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(size - from);
    const { bytesRead } = await file.read(buffer, 0, buffer.byteLength, from);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
