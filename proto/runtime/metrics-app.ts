import { Hono } from 'hono';
import type { Registry } from 'prom-client';

export interface MetricsAppOptions {
  /** What there is to tell now. */
  readonly registry: () => Registry;
  /** Null when the process can do its work, else why not, in words. */
  readonly unready: () => string | null;
}

/** What a process tells about itself: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever runs it. */
export function metricsApp({ registry, unready }: MetricsAppOptions): Hono {
  const app = new Hono();
  app.get('/metrics', async (context) => {
    const { contentType } = registry();
    return context.body(await registry().metrics(), 200, { 'content-type': contentType });
  });
  app.get('/healthz', (context) => context.text('ok\n'));
  app.get('/readyz', (context) => {
    const why = unready();
    return why === null ? context.text('ready\n') : context.text(`${why}\n`, 503);
  });
  return app;
}
