import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { UsageError, messageOf } from '../../proto/index.js';
import { writeWholeFile } from '../../proto/runtime/whole-file.js';
import { createAuthority, issueCertificate, type Identity, type Validity } from './certificate-authority.js';

export interface CertificateOptions extends Validity {
  readonly folder: string;
  /** DNS names and addresses at which coordinator and workers reach the NATS server. */
  readonly natsNames: readonly string[];
}

export interface MadeCertificates {
  /** Certificates that were made now, by their paths; empty when all of them were there. */
  readonly made: readonly string[];
}

/** Where an identity lies. */
interface Place {
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** Who connects to NATS. */
const ROLES = ['coordinator', 'worker', 'watch'] as const;
const KEY_MODE = 0o600;
const DNS_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;

/**
 * Makes the cluster's certificates in `folder`, each with its private key (mode 0600), all of them PEM:
 *
 *     ca.pem       ca-key.pem       the authority that signs the others; the key is needed for further ones only
 *     nats/        cert.pem key.pem the NATS server's, for `natsNames`
 *     worker/      cert.pem key.pem the workers', for both ends of the ring's connections
 *     coordinator/ watch/ worker/   a copy of ca.pem, so that each role's folder is all that it needs
 *
 * What is there already is kept, but for a NATS certificate that lacks one of `natsNames`, which is made anew. A key is
 * written before its certificate, so that an interrupted call leaves nothing that looks whole. Throws UsageError when a
 * name is none, when the folder cannot be written, or when what is there does not fit together.
 */
export async function makeCertificates(options: CertificateOptions): Promise<MadeCertificates> {
  const { folder, natsNames } = options;
  checkNames(natsNames);
  const validity: Validity = options;
  const made: string[] = [];
  const make = async (place: Place, identity: Identity): Promise<void> => {
    await writeIdentity(place, identity);
    made.push(place.certificateFile);
  };

  const authorityPlace = { certificateFile: join(folder, 'ca.pem'), keyFile: join(folder, 'ca-key.pem') };
  const authority = await authorityAt(authorityPlace, async () => {
    const identity = await createAuthority('gan-cluster CA', validity);
    await make(authorityPlace, identity);
    return identity;
  });

  const leaves = [
    { name: 'nats', names: natsNames, usages: ['server'] },
    // Which address a worker advertises is known when it starts: nobody compares the names of its certificate.
    { name: 'worker', names: [], usages: ['server', 'client'] },
  ] as const;
  for (const { name, names, usages } of leaves) {
    const place = { certificateFile: join(folder, name, 'cert.pem'), keyFile: join(folder, name, 'key.pem') };
    const found = await readIdentity(place);
    if (found !== null) {
      checkIssued(place, found, authorityPlace, authority.certificate);
      if (holdsNames(found.certificate, names)) continue;
    }
    const commonName = `gan-cluster ${name}`;
    await make(
      place,
      await issueCertificate(await authority.withKey(), { ...validity, commonName, names, usages }),
    );
  }
  for (const role of ROLES) {
    const file = join(folder, role, 'ca.pem');
    if ((await readIfThere(file)) !== authority.certificate) await write(file, authority.certificate);
  }
  return { made };
}

function checkNames(names: readonly string[]): void {
  if (names.length === 0)
    throw new UsageError('at least one name or address of the NATS server was expected for its certificate');
  const wrong = names.find((name) => isIP(name) === 0 && !DNS_NAME.test(name));
  if (wrong !== undefined)
    throw new UsageError(`a DNS name or an address was expected for NATS's certificate, not "${wrong}"`);
}

interface Authority {
  readonly certificate: string;
  /** Throws UsageError when its key has been taken away, as it may be: the others are there. */
  withKey(): Promise<Identity>;
}

/** The authority that is there, or else a new one. Its key need not be there as long as nothing has to be signed. */
async function authorityAt(place: Place, create: () => Promise<Identity>): Promise<Authority> {
  const certificate = await readIfThere(place.certificateFile);
  if (certificate === null) {
    const identity = await create();
    return { certificate: identity.certificate, withKey: () => Promise.resolve(identity) };
  }
  parse(place.certificateFile, () => new X509Certificate(certificate));
  return {
    certificate,
    withKey: async () => {
      const key = await readIfThere(place.keyFile);
      if (key === null)
        throw new UsageError(
          `${place.keyFile} was expected: a certificate has to be signed by ${place.certificateFile}`,
        );
      checkPair(place, { certificate, key });
      return { certificate, key };
    },
  };
}

/** Null when certificate or key is missing: half a pair is of no use. */
async function readIdentity(place: Place): Promise<Identity | null> {
  const [certificate, key] = [await readIfThere(place.certificateFile), await readIfThere(place.keyFile)];
  if (certificate === null || key === null) return null;
  checkPair(place, { certificate, key });
  return { certificate, key };
}

async function writeIdentity({ certificateFile, keyFile }: Place, identity: Identity): Promise<void> {
  await write(keyFile, identity.key, KEY_MODE);
  await write(certificateFile, identity.certificate);
}

async function write(file: string, text: string, mode?: number): Promise<void> {
  try {
    await writeWholeFile(file, text, mode === undefined ? {} : { mode });
  } catch (error) {
    throw new UsageError(`${file} cannot be written: ${messageOf(error)}`, { cause: error });
  }
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new UsageError(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function parse<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new UsageError(
      `${path} was expected to be PEM: ${messageOf(error)}; remove it to have it made anew`,
      {
        cause: error,
      },
    );
  }
}

const remade = (what: string, { certificateFile, keyFile }: Place): UsageError =>
  new UsageError(`${what}; remove ${certificateFile} and ${keyFile} to have them made anew`);

function checkPair(place: Place, { certificate, key }: Identity): void {
  const parsed = parse(place.certificateFile, () => new X509Certificate(certificate));
  const privateKey = parse(place.keyFile, () => createPrivateKey(key));
  if (!parsed.checkPrivateKey(privateKey))
    throw remade(`${place.keyFile} is not the key of ${place.certificateFile}`, place);
}

function checkIssued(place: Place, found: Identity, authority: Place, authorityPem: string): void {
  const issuer = new X509Certificate(authorityPem);
  if (!new X509Certificate(found.certificate).verify(issuer.publicKey))
    throw remade(`${place.certificateFile} was not signed by ${authority.certificateFile}`, place);
}

function holdsNames(certificate: string, names: readonly string[]): boolean {
  const parsed = new X509Certificate(certificate);
  return names.every((name) =>
    isIP(name) === 0 ? parsed.checkHost(name) !== undefined : parsed.checkIP(name) !== undefined,
  );
}
