import { link, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ROLES, UsageError, messageOf, type Role } from '../../proto/index.js';
import { createNkey, parseCredentials } from '../../proto/runtime/credentials.js';
import { makeFolder } from '../../proto/runtime/make-folder.js';
import { partPath, writeWholeFile } from '../../proto/runtime/whole-file.js';
import { accounts } from './rights.js';

export interface SetupOptions {
  /** Holds a folder for each role and one for the NATS server; in containers each is a volume of its own. */
  readonly secrets: string;
  readonly cluster: string;
}

const CREDENTIALS_FILE = 'nats.creds';

/**
 * Sees to it that each role has credentials, readable by this user only, and that the NATS server's configuration knows
 * them and what they may do. Credentials that are there stay; the configuration is written anew. May run twice at once.
 * Throws UsageError with one line, which never holds a secret.
 * @returns what was made and kept, in one line
 */
export async function setup({ secrets, cluster }: SetupOptions): Promise<string> {
  const folder = resolve(secrets);
  const made: Role[] = [];
  const keys = {} as Record<Role, string>;
  for (const role of ROLES) {
    const file = join(folder, role, CREDENTIALS_FILE);
    if (await told(file, () => makeCredentials(join(folder, role), file))) made.push(role);
    keys[role] = await told(file, () => publicKeyIn(file));
  }
  const usersFile = join(folder, 'nats', 'users.conf');
  const text = `# Made by gan-cluster setup: who may connect to the NATS server, and what each may do. No secrets.\naccounts: ${JSON.stringify(accounts(cluster, keys), null, 2)}\n`;
  await told(usersFile, async () => {
    makeFolder(join(folder, 'nats'));
    await writeWholeFile(usersFile, text);
  });
  const kept = ROLES.filter((role) => !made.includes(role));
  const words = [
    made.length > 0 ? `made credentials for ${made.join(', ')}` : '',
    kept.length > 0 ? `kept those of ${kept.join(', ')}` : '',
  ].filter(Boolean);
  return `${words.join(', ')} in ${folder}; ${usersFile} says what they may do in cluster ${cluster}`;
}

/** @returns whether there were none before */
async function makeCredentials(folder: string, file: string): Promise<boolean> {
  makeFolder(folder, 0o700);
  const made = partPath(file);
  if (await exists(file)) return false;
  await writeWholeFile(made, `${createNkey().seed}\n`, { mode: 0o600 });
  try {
    await link(made, file); // unlike rename, leaves what another process has made meanwhile
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(made, { force: true });
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await readFile(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function publicKeyIn(file: string): Promise<string> {
  const found = parseCredentials(await readFile(file, 'utf8'));
  if (found?.kind === 'nkey') return found.publicKey;
  throw new UsageError(
    `--secrets: ${file} was expected to hold one line with the seed of an NKey (SU...), found something else: remove it, and another is made`,
  );
}

/** What `action` gives; what the file system says becomes one line. */
async function told<T>(file: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`--secrets: ${file} cannot be made or read: ${messageOf(error)}`);
  }
}
