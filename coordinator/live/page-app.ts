import { readFile } from 'node:fs/promises';
import { Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import { SAMPLES_PATH } from '../../proto/live.js';
import { artifactRoutes, type ArtifactSource } from './artifact-routes.js';
import { trustedOnly } from './origin.js';

/** The page's files, as the build puts them there, with their types. */
const FILES = {
  '/': { name: 'index.html', type: 'text/html; charset=utf-8' },
  '/page.js': { name: 'page.js', type: 'text/javascript; charset=utf-8' },
  '/page.css': { name: 'page.css', type: 'text/css; charset=utf-8' },
} as const;

export interface PageAppOptions {
  /** The folder of the page's files. */
  readonly pageFolder: URL;
  /** PNG of the sample grid after so many steps; null when it is not kept. */
  readonly samplePng: (step: number) => Uint8Array | null;
  readonly allowedHosts: readonly string[];
  readonly result: ArtifactSource;
}

/** The live page, the pictures that it shows and the result's files: reads only, nothing from elsewhere. */
export function pageApp({ pageFolder, samplePng, allowedHosts, result }: PageAppOptions): Hono {
  const app = new Hono();
  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", 'data:', 'blob:'],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
      referrerPolicy: 'no-referrer',
      strictTransportSecurity: false,
    }),
  );
  app.use(trustedOnly(allowedHosts));
  for (const [path, { name, type }] of Object.entries(FILES)) {
    app.get(path, async (context) => {
      const bytes = await readFile(new URL(name, pageFolder));
      return context.body(new Uint8Array(bytes), 200, { 'content-type': type, 'cache-control': 'no-cache' });
    });
  }
  app.get(`${SAMPLES_PATH}:name{[0-9]+\\.png}`, (context) => {
    const step = Number.parseInt(context.req.param('name'), 10);
    const png = samplePng(step);
    if (png === null) return context.notFound();
    return context.body(new Uint8Array(png), 200, {
      'content-type': 'image/png',
      'cache-control': 'no-cache',
    });
  });
  app.route('/', artifactRoutes(result));
  return app;
}
