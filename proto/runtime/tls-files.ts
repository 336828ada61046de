import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { UsageError, messageOf } from '../errors.js';

/** A certificate with its private key, and the authority that signed it; PEM. */
export interface TlsIdentity {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

export interface TlsIdentityFiles {
  readonly caFile: string | undefined;
  readonly certificateFile: string | undefined;
  readonly keyFile: string | undefined;
}

const CA_FLAG = '--tls-ca-file';
const CERTIFICATE_FLAG = '--ring-cert-file';
const KEY_FLAG = '--ring-key-file';
const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function read(flag: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${flag}: ${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function parse<T>(flag: string, file: string, what: string, parsed: () => T): T {
  try {
    return parsed();
  } catch (error) {
    throw new UsageError(`${flag}: ${file} was expected to hold ${what} as PEM (${messageOf(error)})`, {
      cause: error,
    });
  }
}

/** The PEM of the authority that signs the cluster's certificates. Throws UsageError when the file holds none. */
export function readCaFile(file: string): string {
  const pem = read(CA_FLAG, file);
  authoritiesIn(file, pem);
  return pem;
}

function authoritiesIn(file: string, pem: string): X509Certificate[] {
  const blocks = pem.match(BLOCK) ?? [];
  if (blocks.length === 0)
    throw new UsageError(`${CA_FLAG}: ${file} was expected to hold a certificate as PEM, and holds none`);
  return blocks.map((block) => parse(CA_FLAG, file, 'certificates', () => new X509Certificate(block)));
}

/**
 * What a worker shows to other workers; undefined where their ring is to be plain: no file is given, or only the
 * authority, which then is for NATS alone. What other workers would refuse is refused here, where it can be told which
 * file is wrong.
 *
 * Throws UsageError when one of the files is given without the others, cannot be read, or does not fit the others, and
 * for a certificate that does not hold at `now`.
 */
export function readTlsIdentity(files: TlsIdentityFiles, now: Date): TlsIdentity | undefined {
  const { caFile, certificateFile, keyFile } = files;
  if (certificateFile === undefined && keyFile === undefined) return undefined;
  const given = [
    [CA_FLAG, caFile],
    [CERTIFICATE_FLAG, certificateFile],
    [KEY_FLAG, keyFile],
  ] as const;
  const missing = given.filter(([, file]) => file === undefined).map(([flag]) => flag);
  if (caFile === undefined || certificateFile === undefined || keyFile === undefined) {
    throw new UsageError(
      `a ring with TLS needs ${CA_FLAG}, ${CERTIFICATE_FLAG} and ${KEY_FLAG} together; missing: ${missing.join(', ')}`,
    );
  }
  const ca = read(CA_FLAG, caFile);
  const certificate = read(CERTIFICATE_FLAG, certificateFile);
  const key = read(KEY_FLAG, keyFile);
  const shown = parse(
    CERTIFICATE_FLAG,
    certificateFile,
    'a certificate',
    () => new X509Certificate(certificate),
  );
  const privateKey = parse(KEY_FLAG, keyFile, 'a private key', () => createPrivateKey(key));
  if (!shown.checkPrivateKey(privateKey))
    throw new UsageError(`${KEY_FLAG}: ${keyFile} is not the key of the certificate in ${certificateFile}`);
  if (!authoritiesIn(caFile, ca).some((authority) => shown.checkIssued(authority)))
    throw new UsageError(
      `${CERTIFICATE_FLAG}: ${certificateFile} was not signed by the authority in ${caFile}`,
    );
  if (now < new Date(shown.validFrom) || now > new Date(shown.validTo)) {
    throw new UsageError(
      `${CERTIFICATE_FLAG}: ${certificateFile} holds from ${shown.validFrom} to ${shown.validTo}, and it is ${now.toUTCString()}`,
    );
  }
  return { ca, certificate, key };
}
