// The library below finds its parts by decorators, whose metadata this adds to Node: it has to come first.
import 'reflect-metadata';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { isIP } from 'node:net';

const KEYS = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;

/** From when on a certificate holds, and for how long. */
export interface Validity {
  readonly validFrom: Date;
  readonly validDays: number;
}

/** A certificate with its private key, both as PEM. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

export interface LeafOptions extends Validity {
  readonly commonName: string;
  /** DNS names and addresses at which its owner is reached; none where nobody compares them. */
  readonly names: readonly string[];
  /** Its owner accepts connections, opens them, or both. */
  readonly usages: readonly ('server' | 'client')[];
}

const USAGES = { server: ExtendedKeyUsage.serverAuth, client: ExtendedKeyUsage.clientAuth } as const;

const lifetime = ({ validFrom, validDays }: Validity): { notBefore: Date; notAfter: Date } => ({
  notBefore: validFrom,
  notAfter: new Date(validFrom.getTime() + validDays * DAY_MS),
});

async function privatePem(key: CryptoKey): Promise<string> {
  return `${PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

const newKeys = (): Promise<CryptoKeyPair> => crypto.subtle.generateKey(KEYS, true, ['sign', 'verify']);

/** A new authority, which signs itself: it may sign certificates, but none that sign others. ECDSA P-256. */
export async function createAuthority(commonName: string, validity: Validity): Promise<Identity> {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    ...lifetime(validity),
    name: `CN=${commonName}`,
    signingAlgorithm: SIGNING,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, key: await privatePem(keys.privateKey) };
}

/**
 * A certificate that `authority` signs, with a new key. ECDSA P-256.
 * Throws what the library throws when `authority` holds no certificate or key.
 */
export async function issueCertificate(authority: Identity, options: LeafOptions): Promise<Identity> {
  const issuer = new X509Certificate(authority.certificate);
  const [keyBytes] = PemConverter.decode(authority.key);
  const signingKey = await crypto.subtle.importKey('pkcs8', keyBytes ?? new ArrayBuffer(0), KEYS, false, [
    'sign',
  ]);
  const keys = await newKeys();
  const names = options.names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }) as const);
  const certificate = await X509CertificateGenerator.create({
    ...lifetime(options),
    subject: `CN=${options.commonName}`,
    issuer: issuer.subjectName,
    signingAlgorithm: SIGNING,
    signingKey,
    publicKey: keys.publicKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension(options.usages.map((usage) => USAGES[usage])),
      ...(names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)]),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, key: await privatePem(keys.privateKey) };
}
