/** What a cluster of several machines needs before it starts. */
export { makeCertificates, type CertificateOptions, type MadeCertificates } from './certificates.js';
