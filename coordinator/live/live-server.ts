import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocketServer, type WebSocket } from 'ws';
import { LIVE_PATH, type LiveMessage } from '../../proto/live.js';
import { HttpEndpoint } from '../../proto/runtime/http-endpoint.js';
import type { LiveFeed } from './live-feed.js';
import { isTrusted } from './origin.js';
import { pageApp, type PageAppOptions } from './page-app.js';

/** Watchers at once; more are told so by HTTP. */
const MAX_WATCHERS = 256;
/** A watcher who has not taken so much is let go. */
const MAX_BUFFERED_BYTES = 1_000_000;
/** The page says nothing: what comes is dropped, and nothing large is taken in at all. */
const MAX_PAYLOAD_BYTES = 1_024;
const NOW_EVERY_MS = 333;
const NEWS_EVERY_MS = 1_000;
const PING_EVERY_MS = 10_000;
/** For a refusal to be read. */
const REFUSED_LINGER_MS = 1_000;
/** For pages to fetch what they were told of last. */
const LAST_PICTURES_MS = 1_000;

export interface LiveServerOptions extends Omit<PageAppOptions, 'allowedHosts'> {
  readonly host: string;
  readonly port: number;
  /** Names beside `localhost` and addresses by which it is reached. */
  readonly allowedHosts: readonly string[];
  readonly feed: LiveFeed;
}

/** Serves the live page and tells it what happens. Watching costs nothing while nobody does. */
export class LiveServer {
  private readonly watchers = new Map<WebSocket, { alive: boolean }>();
  private readonly telling: NodeJS.Timeout[];
  private readonly pinging: NodeJS.Timeout;
  private lastWord: LiveMessage | null = null;

  private constructor(
    private readonly endpoint: HttpEndpoint,
    private readonly webSockets: WebSocketServer,
    private readonly options: LiveServerOptions,
  ) {
    endpoint.server.on('upgrade', (request, socket, head) => this.onUpgrade(request, socket, head));
    this.telling = [
      setInterval(() => this.tellNow(), NOW_EVERY_MS),
      setInterval(() => this.tellNews(), NEWS_EVERY_MS),
    ];
    this.pinging = setInterval(() => this.dropSilent(), PING_EVERY_MS);
  }

  /** Throws UsageError when the port cannot be had. */
  static async listen(options: LiveServerOptions): Promise<LiveServer> {
    const { host, port } = options;
    const endpoint = await HttpEndpoint.listen({ app: pageApp(options), host, port, flag: '--http-port' });
    const webSockets = new WebSocketServer({
      ...{ noServer: true, clientTracking: false, maxPayload: MAX_PAYLOAD_BYTES },
      perMessageDeflate: false,
    });
    return new LiveServer(endpoint, webSockets, options);
  }

  get port(): number {
    return this.endpoint.port;
  }

  /** Tells the last word, and waits shortly until it is taken. Who comes later is told all there is, and that word. */
  async end(outcome: 'done' | 'interrupted' | 'failed', message: string): Promise<void> {
    this.stopTelling();
    this.tellNews();
    this.tellNow();
    this.lastWord = { kind: 'ended', outcome, message };
    this.tell([this.lastWord]);
    // The last grid was told a moment ago.
    if (this.watchers.size > 0) await delay(LAST_PICTURES_MS);
  }

  async close(): Promise<void> {
    this.stopTelling();
    clearInterval(this.pinging);
    for (const watcher of this.watchers.keys()) watcher.close(1001, 'the coordinator ends');
    await this.endpoint.close();
  }

  private stopTelling(): void {
    for (const timer of this.telling) clearInterval(timer);
  }

  private onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refuse = (status: string): void => {
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
      // Who does not leave would keep its connection for good.
      setTimeout(() => socket.destroy(), REFUSED_LINGER_MS).unref();
    };
    socket.on('error', () => socket.destroy());
    if (request.url !== LIVE_PATH) return refuse('404 Not Found');
    if (!isTrusted(request.headers, this.options.allowedHosts)) return refuse('403 Forbidden');
    if (this.watchers.size >= MAX_WATCHERS) return refuse('503 Service Unavailable');
    this.webSockets.handleUpgrade(request, socket, head, (watcher) => this.welcome(watcher));
  }

  private welcome(watcher: WebSocket): void {
    const record = { alive: true };
    this.watchers.set(watcher, record);
    watcher.on('pong', () => (record.alive = true));
    watcher.on('error', () => watcher.terminate());
    watcher.on('close', () => this.watchers.delete(watcher));
    // What the others have not been told yet comes with the next news, for all.
    const { lastWord } = this;
    const messages = [...this.options.feed.snapshot(), ...(lastWord === null ? [] : [lastWord])];
    for (const message of messages) watcher.send(JSON.stringify(message));
  }

  private tellNow(): void {
    if (this.watchers.size > 0) this.tell([this.options.feed.now()]);
  }

  private tellNews(): void {
    this.tell(this.options.feed.next());
  }

  private tell(messages: readonly LiveMessage[]): void {
    if (this.watchers.size === 0) return;
    const texts = messages.map((message) => JSON.stringify(message));
    for (const watcher of this.watchers.keys()) {
      // It comes again and is told everything.
      if (watcher.bufferedAmount > MAX_BUFFERED_BYTES) watcher.close(1013, 'too slow');
      else for (const text of texts) watcher.send(text);
    }
  }

  private dropSilent(): void {
    for (const [watcher, record] of this.watchers) {
      if (!record.alive) watcher.terminate();
      record.alive = false;
      watcher.ping();
    }
  }
}
