import { readFileSync } from 'node:fs';
import { nkeyAuthenticator, type ConnectionOptions } from 'nats';
import { createUser, fromSeed } from 'nkeys.js';
import { UsageError, messageOf } from '../errors.js';

/** What proves to a NATS server who connects. An NKey's seed never leaves the process: it signs the server's nonce. */
export type Credentials =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | { readonly kind: 'nkey'; readonly seed: string; readonly publicKey: string };

/** What a credentials file may hold, in words. */
export const CREDENTIALS_FORM = 'one line, either user:password or the seed of an NKey (SU...)';

/** The credentials in a file's text; null when it holds none. Pure. */
export function parseCredentials(text: string): Credentials | null {
  const line = text.trim();
  if (/[\r\n]/.test(line)) return null;
  const colon = line.indexOf(':');
  if (colon >= 1) return { kind: 'password', user: line.slice(0, colon), password: line.slice(colon + 1) };
  if (!/^SU[A-Z2-7]+$/.test(line)) return null;
  try {
    const pair = fromSeed(new TextEncoder().encode(line));
    return { kind: 'nkey', seed: line, publicKey: pair.getPublicKey() };
  } catch {
    return null; // a character is wrong: the seed has a checksum
  }
}

/** A new NKey of a NATS user. */
export function createNkey(): Extract<Credentials, { kind: 'nkey' }> {
  const pair = createUser();
  return { kind: 'nkey', seed: new TextDecoder().decode(pair.getSeed()), publicKey: pair.getPublicKey() };
}

/** How nats.js is told of a credentials file. Throws UsageError, which never quotes the file. */
export function connectionCredentials(
  file: string | undefined,
): Pick<ConnectionOptions, 'user' | 'pass' | 'authenticator'> {
  if (file === undefined) return {};
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`--nats-creds-file: ${file} cannot be read: ${messageOf(error)}`);
  }
  const found = parseCredentials(text);
  if (found === null)
    throw new UsageError(
      `--nats-creds-file: ${file} was expected to hold ${CREDENTIALS_FORM}, found something else`,
    );
  return found.kind === 'password'
    ? { user: found.user, pass: found.password }
    : { authenticator: nkeyAuthenticator(new TextEncoder().encode(found.seed)) };
}
