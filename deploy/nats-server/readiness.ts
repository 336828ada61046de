import { readFile, readdir } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';

/** What a server tells each client first. */
const infoSchema = z.object({
  jetstream: z.boolean().default(false),
  auth_required: z.boolean().default(false),
});
const portsSchema = z.object({ nats: z.array(z.string()).min(1) });

const PORTS_FILE = /_(\d+)\.ports$/;
const MAX_INFO_BYTES = 65_536;
const ANSWER_TIMEOUT_MS = 2_000;

export interface Listening {
  readonly url: string;
  readonly pid: number;
}

/** Reads the file in which the server says where it listens; null while there is none, or only a part of it. */
export async function readPortsFile(folder: string): Promise<Listening | null> {
  for (const name of await readdir(folder)) {
    const pid = PORTS_FILE.exec(name)?.[1];
    if (pid === undefined) continue;
    const text = await readFile(join(folder, name), 'utf8').catch(() => '');
    const ports = portsSchema.safeParse(parseJson(text));
    const url = ports.success ? ports.data.nats[0] : undefined;
    if (url !== undefined) return { url, pid: Number(pid) };
  }
  return null;
}

/** Whether a server answers at `url`, has JetStream at work, and asks for a password. */
export function isReady(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    let text = '';
    const socket = createConnection({ host: hostname, port: Number(port), timeout: ANSWER_TIMEOUT_MS });
    const answer = (ready: boolean): void => {
      socket.destroy();
      resolve(ready);
    };
    socket.setEncoding('utf8');
    socket.on('data', (piece: string) => {
      text += piece;
      const end = text.indexOf('\r\n');
      if (end >= 0) answer(speaksOfJetStream(text.slice(0, end)));
      else if (text.length > MAX_INFO_BYTES) answer(false);
    });
    socket.on('timeout', () => answer(false));
    socket.on('error', () => answer(false));
    socket.on('close', () => answer(false));
  });
}

function speaksOfJetStream(line: string): boolean {
  if (!line.startsWith('INFO ')) return false;
  const info = infoSchema.safeParse(parseJson(line.slice('INFO '.length)));
  return info.success && info.data.jetstream && info.data.auth_required;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
