import { Hono } from 'hono';
import { HttpEndpoint } from '../../proto/runtime/http-endpoint.js';

/**
 * A port for the live page that is free now, to be named to the coordinator: one that is started again is to take the same, so
 * that open pages find it. Throws UsageError when the one that was asked for is taken.
 * @param port 0 for any
 */
export async function reserveHttpPort(host: string, port: number): Promise<number> {
  const endpoint = await HttpEndpoint.listen({ app: new Hono(), host, port, flag: '--http-port' });
  const reserved = endpoint.port;
  await endpoint.close();
  return reserved;
}

/** Where a browser on this machine finds the page. */
export function pageUrl(host: string, port: number): string {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}/`;
}
