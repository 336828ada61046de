import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import type { MiddlewareHandler } from 'hono';

/** The name or address of a Host header, without its port. */
function nameOf(host: string): string {
  if (host.startsWith('[')) return host.slice(1, host.indexOf(']'));
  return host.replace(/:\d+$/, '');
}

/**
 * Whether a request means this server and comes from its own page. A page of a stranger can make a browser connect to
 * anything, but not hide its Origin; and by a name of its own that it points here (DNS rebinding) it is not let in, because
 * only addresses, `localhost` and names that were allowed count.
 */
export function isTrusted(headers: IncomingHttpHeaders, allowedHosts: readonly string[]): boolean {
  const { host, origin } = headers;
  if (host === undefined) return false;
  const name = nameOf(host).toLowerCase();
  const known = isIP(name) !== 0 || name === 'localhost' || allowedHosts.includes(name);
  if (!known) return false;
  // Programs send no Origin; a browser always does with a WebSocket.
  if (origin === undefined) return true;
  try {
    return new URL(origin).host === host;
  } catch {
    return false;
  }
}

/** Lets nobody else in, by HTTP. */
export function trustedOnly(allowedHosts: readonly string[]): MiddlewareHandler {
  return async (context, next) => {
    const { host, origin } = context.req.header();
    if (isTrusted({ host, origin }, allowedHosts)) return next();
    return context.text(
      'This page is served to localhost, to addresses, and to the names in --http-allowed-hosts.\n',
      403,
    );
  };
}
