import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { ErrorCode, type TlsOptions } from 'nats';
import { hostOf, serversIn } from './nats-servers.js';
import { readCaFile } from './tls-files.js';

/** What is given to Node's tls.connect as well: nats.js passes on what it does not know. */
interface VerifiedTls extends TlsOptions {
  checkServerIdentity?: (host: string, certificate: PeerCertificate) => Error | undefined;
}

/**
 * How the servers at `url` are to be trusted. Undefined where TLS is not asked for: then it is spoken if a server wants it,
 * with the authorities that Node knows. Throws UsageError for a file that holds no authority.
 */
export function busTls(url: string, caFile: string | undefined): VerifiedTls | undefined {
  const servers = serversIn(url);
  if (caFile === undefined && !servers.some((server) => server.startsWith('tls://'))) return undefined;
  const tls: VerifiedTls = caFile === undefined ? {} : { ca: readCaFile(caFile) };
  const hosts = servers.map(hostOf);
  const addresses = hosts.filter((host) => isIP(host) !== 0);
  // nats.js gives Node no name to compare for an address, and Node then takes it for localhost. Which of several was called
  // is not known here: the certificate of any of them will do.
  if (addresses.length > 0) {
    tls.checkServerIdentity = (name, certificate) =>
      identityAmong(hosts.includes(name) ? [name] : addresses, certificate);
  }
  return tls;
}

/** Undefined when the certificate is one for any of these hosts; else what is wrong about the first. */
function identityAmong(hosts: readonly string[], certificate: PeerCertificate): Error | undefined {
  const wrong = hosts.map((host) => checkServerIdentity(host, certificate));
  return wrong.includes(undefined) ? undefined : wrong[0];
}

/** Errors of the verification are named after OpenSSL's X509_V_ERR_*, without a prefix in common. */
const UNTRUSTED = /SELF_SIGNED_CERT|UNABLE_TO_(GET_ISSUER|VERIFY)|CERT_(SIGNATURE|UNTRUSTED)|INVALID_CA/;

/**
 * What is wrong about TLS with the server at `url`, and what to do; null for an error that is about something else.
 * @param error of nats.js, or of the TLS below it
 */
export function tlsErrorInWords(
  error: { readonly code?: string | undefined; readonly message: string },
  url: string,
  caFile: string | undefined,
): string | null {
  const { code = '', message } = error;
  const server = `the NATS server at ${url}`;
  if (code === (ErrorCode.ServerOptionNotAvailable as string) && message === 'tls')
    return `${server} does not speak TLS, which ${caFile === undefined ? 'tls://' : '--tls-ca-file'} asks for: give it a certificate, or leave that out`;
  if (UNTRUSTED.test(code)) {
    return caFile === undefined
      ? `${server} shows a certificate of an unknown authority (${message}): name the cluster's by --tls-ca-file`
      : `${server} shows a certificate that the authority in --tls-ca-file ${caFile} has not signed (${message})`;
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return `${server} shows a certificate that does not hold now (${message}): make a new one, and look at the clocks`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `${server} shows a certificate for other names (${message}): make one that names it`;
  return /^ERR_(SSL|TLS)/.test(code) ? `no TLS can be spoken with ${server} (${message})` : null;
}
