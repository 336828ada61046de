import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { findNatsServer } from '../../../deploy/nats-server/index.js';
import { pollUntil } from '../../../deploy/nats-server/poll.js';
import { isReady, readPortsFile } from '../../../deploy/nats-server/readiness.js';
import { cacheFolder } from '../../../proto/runtime/cache-folder.js';

const READY_MS = 20_000;

export interface SecureNats {
  readonly port: number;
  readonly credentialsFile: string;
}

/** A real nats-server on a free port of 127.0.0.1 that demands TLS with these files; none of them: a plain one. */
export async function startSecureNats(
  folder: string,
  tls: { readonly certificateFile: string; readonly keyFile: string } | null,
): Promise<SecureNats> {
  const { path } = await findNatsServer({ environment: process.env, cacheFolder: cacheFolder(process.env) });
  const store = join(folder, 'nats-store');
  await mkdir(store, { recursive: true });
  const config = [
    'host: "127.0.0.1"',
    'port: -1',
    `ports_file_dir: ${JSON.stringify(store)}`,
    `jetstream { store_dir: ${JSON.stringify(store)} }`,
    'authorization { user: "test", password: "secret" }',
    tls === null
      ? ''
      : `tls { cert_file: ${JSON.stringify(tls.certificateFile)}, key_file: ${JSON.stringify(tls.keyFile)} }`,
  ].join('\n');
  const configFile = join(store, 'nats.conf');
  const credentialsFile = join(store, 'credentials');
  await writeFile(configFile, config);
  await writeFile(credentialsFile, 'test:secret\n');
  const server = spawn(path, ['-c', configFile], { stdio: 'ignore' });
  onTestFinished(() => void server.kill('SIGKILL'));
  const ready = await pollUntil(
    async () => {
      const listening = await readPortsFile(store);
      if (listening === null) return null;
      const port = Number(new URL(listening.url.replace(/^(nats|tls):/, 'http:')).port);
      return (await isReady(`nats://127.0.0.1:${port}`)) ? { port, credentialsFile } : null;
    },
    { everyMs: 20, deadlineMs: READY_MS, signal: undefined },
  );
  if (ready === null) throw new Error('nats-server did not get ready');
  return ready;
}
