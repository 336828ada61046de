import type { Random } from './random.js';
import type { SimProcess } from './sim-process.js';
import type { Timeline } from './timeline.js';

/** What the network does to control messages; core NATS promises at most once, and in order for each connection. */
export interface Weather {
  readonly lost: number;
  readonly doubled: number;
  readonly late: number;
  readonly lateMs: number;
  /** Whether what one client sends to another arrives in the order in which it was sent. */
  readonly inOrder: boolean;
}

const LATENCY_MS = 1;
/** A client that is cut off in silence notices by its pings. */
const NOTICED_MS = 4_000;
const RECONNECT_MS = 200;
/** Of the messages that a process has just sent when it is stopped, so many still lie in its own buffers. */
const UNSENT = 0.3;

/** A client's connection to the NATS server. */
export class SimClient {
  /** `silent`: it is cut off and nobody has noticed; TCP sends again what was sent meanwhile. */
  link: 'up' | 'silent' | 'down' = 'up';
  /** What keeps it from the server: an outage, a cut. */
  blocks = 0;
  held: (() => void)[] = [];
  readonly arrivals = new Map<SimClient, number>();
  onConnection: (up: boolean) => void = () => undefined;

  constructor(readonly process: SimProcess) {}
}

/** NATS and the network to it: loses, doubles, delays and reorders, and is away at times. */
export class SimNetwork {
  /** Told of each control message that is sent. */
  onSent: (topic: string) => void = () => undefined;

  constructor(
    private readonly timeline: Timeline,
    private readonly random: Random,
    public weather: Weather,
  ) {}

  /** A control message. */
  send(from: SimClient, to: SimClient, topic: string, deliver: () => void): void {
    this.onSent(topic);
    const { weather, random } = this;
    if (random.chance(weather.lost)) return;
    if (random.chance(weather.doubled)) this.transmit(from, to, deliver, true);
    this.transmit(from, to, deliver, true);
  }

  /** To the server and no further: for requests to its stores. Lost only when the connection is. */
  toServer(from: SimClient, arrive: () => void): void {
    if (from.process.isGone || from.link === 'down') return;
    if (from.link === 'silent') return void from.held.push(() => this.toServer(from, arrive));
    this.timeline.after(this.random.between(0.2, 2 * LATENCY_MS), arrive);
  }

  fromServer(to: SimClient, deliver: () => void): void {
    this.timeline.after(this.random.between(0.2, 2 * LATENCY_MS), () => this.arrive(to, deliver));
  }

  /** Keeps a client from the server. @param silently the connection is not closed, it only carries nothing */
  block(client: SimClient, silently: boolean): void {
    client.blocks += 1;
    if (client.link === 'down') return;
    if (!silently) return this.disconnect(client);
    if (client.link === 'silent') return;
    client.link = 'silent';
    this.timeline.after(NOTICED_MS, () => {
      if (client.link === 'silent' && client.blocks > 0) this.disconnect(client);
    });
  }

  unblock(client: SimClient): void {
    client.blocks -= 1;
    if (client.blocks > 0 || client.link === 'up') return;
    if (client.link === 'down') {
      this.timeline.after(this.random.between(0, RECONNECT_MS), () => {
        if (client.blocks > 0 || client.link !== 'down') return;
        client.link = 'up';
        client.process.do(() => client.onConnection(true));
      });
      return;
    }
    client.link = 'up';
    const { held } = client;
    client.held = [];
    for (const resend of held) resend();
  }

  private disconnect(client: SimClient): void {
    client.link = 'down';
    client.held = [];
    client.process.do(() => client.onConnection(false));
  }

  private transmit(from: SimClient, to: SimClient, deliver: () => void, first: boolean): void {
    if (from.process.isGone || from.link === 'down') return;
    if (from.link === 'silent') return void from.held.push(() => this.transmit(from, to, deliver, first));
    const { timeline, random, weather } = this;
    const delayMs = random.chance(weather.late)
      ? random.between(0, weather.lateMs)
      : random.between(0.2, 2 * LATENCY_MS);
    let atMs = timeline.nowMs + delayMs;
    if (weather.inOrder) {
      atMs = Math.max(atMs, from.arrivals.get(to) ?? 0);
      from.arrivals.set(to, atMs);
    }
    timeline.after(atMs - timeline.nowMs, () => {
      if (first && from.process.isStopped && random.chance(UNSENT))
        return from.process.do(() => this.transmit(from, to, deliver, false));
      this.arrive(to, deliver);
    });
  }

  private arrive(to: SimClient, deliver: () => void): void {
    if (to.link === 'up') to.process.do(deliver);
    else if (to.link === 'silent') to.held.push(() => this.arrive(to, deliver));
  }
}
