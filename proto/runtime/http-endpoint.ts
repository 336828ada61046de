import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Hono } from 'hono';
import { OperationalError, UsageError, messageOf } from '../errors.js';

export interface HttpEndpointOptions {
  readonly app: Hono;
  /** Where it listens; `0.0.0.0` for everybody. */
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  /** The flag that named the port, for the user. */
  readonly flag: string;
}

/** A request that sends its headers slower than that is no request. */
const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** How often both are looked at: by default twice a minute only. */
const CHECK_EVERY_MS = 1_000;
/** More than watchers and scrapers are; further ones are closed at once. */
const MAX_CONNECTIONS = 1_024;

/** An HTTP server that has its port. */
export class HttpEndpoint {
  private constructor(readonly server: Server) {}

  /** Throws UsageError when the port cannot be had. */
  static async listen({ app, host, port, flag }: HttpEndpointOptions): Promise<HttpEndpoint> {
    // It brings Node's fetch with it, which a Node without WebAssembly has not: that is to be told in our own words first.
    const { getRequestListener } = await import('@hono/node-server');
    const listener = getRequestListener(app.fetch);
    const server = createServer(
      {
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        connectionsCheckingInterval: CHECK_EVERY_MS,
      },
      (request, response) => void listener(request, response),
    );
    server.maxConnections = MAX_CONNECTIONS;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => reject(refusal(error, host, port, flag)));
      server.listen(port, host, resolve);
    });
    return new HttpEndpoint(server);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Ends all connections. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }
}

function refusal(error: NodeJS.ErrnoException, host: string, port: number, flag: string): OperationalError {
  const { code = '' } = error;
  if (code === 'EADDRINUSE')
    return new UsageError(`${flag}: a free port was expected, ${host}:${port} is taken: name another, or 0`);
  if (code === 'EACCES')
    return new UsageError(
      `${flag}: port ${port} needs privileges: name one from 1024 on, or 0 for a free one`,
    );
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new UsageError(`--http-host: an address of this machine was expected, found ${host}`);
  return new OperationalError('run-failed', `${flag}: ${messageOf(error)}`, { cause: error });
}
