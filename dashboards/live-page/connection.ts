import { LIVE_PATH, type LiveMessage } from './contract.js';
import { retryDelayMs, type LinkState } from './state/index.js';

/** The coordinator speaks three times a second: whoever is silent for so long is gone, whatever TCP says. */
const SILENCE_MS = 10_000;
const WATCH_MS = 1_000;

export interface ConnectionEvents {
  readonly onMessage: (message: LiveMessage) => void;
  readonly onLink: (link: LinkState) => void;
  /** Something came that is no JSON. */
  readonly onRubbish: () => void;
}

/** A WebSocket to the coordinator that is opened again whenever it is lost, until the run is over. */
export class Connection {
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private attempt = 0;
  private heardMs = 0;
  /** It has spoken since the socket was opened. */
  private live = false;
  private over = false;

  constructor(private readonly events: ConnectionEvents) {}

  start(): void {
    this.open(false);
    setInterval(() => this.watch(), WATCH_MS);
    // The network is back, or somebody looks again: no reason to wait.
    addEventListener('online', () => this.hurry());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.hurry();
    });
  }

  /** The run is over: nothing more comes. */
  finish(): void {
    this.over = true;
    this.drop();
    this.events.onLink({ kind: 'over' });
  }

  private open(again: boolean): void {
    this.timer = null;
    this.heardMs = performance.now();
    this.events.onLink({ kind: 'connecting', again });
    const url = new URL(LIVE_PATH, location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (socket === this.socket) this.hear(data);
    });
    socket.addEventListener('close', () => {
      if (socket === this.socket) this.retry();
    });
  }

  private hear(data: unknown): void {
    this.heardMs = performance.now();
    if (!this.live) this.events.onLink({ kind: 'live' });
    this.live = true;
    this.attempt = 0;
    let message: LiveMessage;
    try {
      message = JSON.parse(String(data)) as LiveMessage;
    } catch {
      this.events.onRubbish();
      return;
    }
    this.events.onMessage(message);
  }

  private retry(): void {
    this.drop();
    if (this.over) return;
    const delayMs = retryDelayMs(this.attempt, Math.random());
    this.attempt += 1;
    this.timer = setTimeout(() => this.open(true), delayMs);
    this.events.onLink({ kind: 'waiting', untilMs: performance.now() + delayMs });
  }

  private hurry(): void {
    if (this.timer === null || this.over) return;
    clearTimeout(this.timer);
    this.open(true);
  }

  private watch(): void {
    if (this.socket !== null && performance.now() - this.heardMs > SILENCE_MS) this.retry();
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    this.live = false;
    socket?.close();
  }
}
