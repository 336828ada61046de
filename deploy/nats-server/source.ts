/** What a source may use while it fetches. */
export interface FetchContext {
  /** An empty folder of the source's own, removed afterwards; on the file system of the cache. */
  readonly workFolder: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** Somewhere a nats-server can be fetched from. */
export interface NatsServerSource {
  /** Shown to the user, e.g. `Debian's package`. */
  readonly name: string;
  /**
   * Fetches a nats-server whose origin is proven (by signature or pinned checksum) and returns its path below the work
   * folder. Throws SourceError when it cannot, OperationalError('aborted').
   */
  fetch(context: FetchContext): Promise<string>;
}

/** Why a source cannot serve; `message` is a phrase to be put after the source's name. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
}
