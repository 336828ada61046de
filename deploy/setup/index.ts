/** What a cluster needs before it starts: credentials of its roles and what each may do, certificates of its machines. */
export { setup, type SetupOptions } from './setup.js';
export { makeCertificates, type CertificateOptions, type MadeCertificates } from './certificates.js';
export { makeRoutes, type RouteOptions } from './routes.js';
