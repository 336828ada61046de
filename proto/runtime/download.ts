import { OperationalError } from '../errors.js';

export interface DownloadOptions {
  readonly url: string;
  /** More than this ends the download. */
  readonly maxBytes: number;
  /** Until the response's headers have come. */
  readonly connectTimeoutMs: number;
  /** Longest silence between two pieces of the body. */
  readonly stallTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Sent with the request, beside what every download sends. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Called before the first piece; a DownloadError that it throws ends the download. */
  readonly onResponse?: ((response: Pick<Response, 'status' | 'headers'>) => void) | undefined;
  /** Called with each piece; `totalBytes` is null when the server does not say. */
  readonly onProgress?: ((receivedBytes: number, totalBytes: number | null) => void) | undefined;
}

/** A download that went wrong; `message` is a phrase such as `HTTP 503`, to be put after the name of the server. */
export class DownloadError extends Error {
  override readonly name: string = 'DownloadError';
  /** What the server answered, if it is that. */
  readonly status: number | undefined;

  constructor(message: string, options: ErrorOptions & { readonly status?: number } = {}) {
    super(message, options);
    this.status = options.status;
  }
}

/**
 * The body of `url`, in pieces as they come, redirects followed. Throws DownloadError for what the server or the
 * network does, OperationalError('aborted') once `signal` is aborted. A consumer that stops early closes the
 * connection.
 */
export async function* download(options: DownloadOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const { signal } = options;
  const connection = new AbortController();
  const onAbort = (): void => connection.abort();
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  let silence: string | null = null;
  let timer: NodeJS.Timeout | undefined;
  const expectWithin = (ms: number, words: string): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      silence = words;
      connection.abort();
    }, ms);
  };
  try {
    expectWithin(options.connectTimeoutMs, `no answer within ${options.connectTimeoutMs / 1000} s`);
    // Whoever compresses on the way would hide the length and the checksum of what is stored.
    const headers = { 'accept-encoding': 'identity', ...options.headers };
    const response = await fetch(options.url, { signal: connection.signal, headers });
    if (!response.ok || response.body === null)
      throw new DownloadError(`HTTP ${response.status}`, { status: response.status });
    options.onResponse?.(response);
    const totalBytes = announcedBytes(response.headers);
    if (totalBytes !== null) refuseAbove(options.maxBytes, totalBytes);
    let receivedBytes = 0;
    expectWithin(options.stallTimeoutMs, `no data for ${options.stallTimeoutMs / 1000} s`);
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
      clearTimeout(timer); // the time that the consumer takes is not the server's
      receivedBytes += piece.byteLength;
      refuseAbove(options.maxBytes, receivedBytes);
      options.onProgress?.(receivedBytes, totalBytes);
      yield piece;
      expectWithin(options.stallTimeoutMs, `no data for ${options.stallTimeoutMs / 1000} s`);
    }
    if (totalBytes !== null && receivedBytes < totalBytes) {
      throw new DownloadError(`ended after ${receivedBytes} of ${totalBytes} bytes`);
    }
  } catch (error) {
    if (signal?.aborted)
      throw new OperationalError('aborted', `the download of ${options.url} was interrupted`);
    if (error instanceof DownloadError) throw error;
    throw new DownloadError(silence ?? networkWords(error), { cause: error });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    connection.abort();
  }
}

/** The server's name, for messages. */
export const hostOf = (url: string): string => new URL(url).host;

function announcedBytes(headers: Headers): number | null {
  // With an encoding the length is that of the encoded body, which fetch decodes.
  if (headers.has('content-encoding')) return null;
  const text = headers.get('content-length');
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

function refuseAbove(maxBytes: number, bytes: number): void {
  if (bytes > maxBytes)
    throw new DownloadError(`sends more than the ${maxBytes} bytes that were expected at most`);
}

const NETWORK_WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'name not found',
  EAI_AGAIN: 'name not found',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ENETUNREACH: 'network unreachable',
  EHOSTUNREACH: 'host unreachable',
  ETIMEDOUT: 'no answer',
  UND_ERR_CONNECT_TIMEOUT: 'no answer',
  UND_ERR_SOCKET: 'connection cut',
};

/** fetch says "fetch failed" and keeps the cause. */
function networkWords(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = (cause as NodeJS.ErrnoException).code;
  if (code !== undefined && code in NETWORK_WORDS) return NETWORK_WORDS[code] ?? code;
  const message = cause instanceof Error ? cause.message : String(cause);
  return code === undefined ? message : `${message} (${code})`;
}
