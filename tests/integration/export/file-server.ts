import { Hono } from 'hono';
import { HttpEndpoint } from '../../../proto/runtime/http-endpoint.js';

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json',
};

/** Serves files as any web server would, on a free port of this machine. */
export function serveFiles(files: ReadonlyMap<string, Uint8Array>): Promise<HttpEndpoint> {
  const app = new Hono();
  app.get('/:name', (context) => {
    const name = context.req.param('name');
    const bytes = files.get(name);
    if (bytes === undefined) return context.notFound();
    const type = TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream';
    return context.body(Uint8Array.from(bytes), 200, { 'content-type': type });
  });
  return HttpEndpoint.listen({ app, host: '127.0.0.1', port: 0, flag: 'port' });
}
