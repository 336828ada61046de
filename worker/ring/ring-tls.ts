import { createSecureContext, type ConnectionOptions, type TlsOptions } from 'node:tls';
import type { TlsIdentity } from '../../proto/runtime/tls-files.js';

/** What a worker shows to other workers, and whose certificates it takes. Plain data: it goes to another thread. */
export type RingTls = TlsIdentity;

/** Both ends are ours, so nothing older is spoken. */
const VERSION = 'TLSv1.3';

/** What the accepting side is given. Whoever has no certificate of the cluster is told apart by TlsAcceptor. */
export function acceptorOptions({ ca, certificate, key }: RingTls): TlsOptions {
  return { ca, cert: certificate, key, minVersion: VERSION, requestCert: true, rejectUnauthorized: false };
}

/**
 * What the dialling side is given. The certificate must be one of the cluster's authority. Whose it is does not matter:
 * which address a worker advertises is known only when it starts, often behind a container's or a provider's network, so
 * no certificate could name it; and that the one who answers is the very member that was dialled is proved by the
 * handshake that follows, with the ring epoch's secret and both ranks, which no name in a certificate could do.
 */
export function diallerOptions({ ca, certificate, key }: RingTls): ConnectionOptions {
  return {
    secureContext: createSecureContext({ ca, cert: certificate, key, minVersion: VERSION }),
    rejectUnauthorized: true,
    checkServerIdentity: () => undefined,
  };
}

/** Why the TLS handshake of two workers failed. */
export type TlsFault = 'not-tls' | 'bad-certificate';

/** Errors of the verification are named after OpenSSL's X509_V_ERR_*, without a prefix in common. */
const CERTIFICATE_CODES = /CERT|SIGNATURE|ISSUER|_CA$|_CA_|CHAIN|INVALID_PURPOSE/;

/** The fault behind an error of a TLS connection; null when the connection only failed. */
export function tlsFaultOf({ code }: { readonly code?: string | undefined }): TlsFault | null {
  if (code === undefined) return null;
  // Also alerts of the other side: ERR_SSL_TLSV1_ALERT_UNKNOWN_CA, ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED.
  if (CERTIFICATE_CODES.test(code)) return 'bad-certificate';
  return code.startsWith('ERR_SSL_') || code === 'EPROTO' ? 'not-tls' : null;
}
