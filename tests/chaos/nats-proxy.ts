import { createConnection, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { NatsFrames } from './nats-frames.js';
import type { Random } from './random.js';

/** How likely each misfortune is for a control message. */
export interface Weather {
  readonly random: Random;
  readonly lost: number;
  readonly doubled: number;
  readonly delayed: number;
  readonly maxDelayMs: number;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/** What happened to messages on their way through. */
export interface WeatherCounts {
  passed: number;
  lost: number;
  doubled: number;
  delayed: number;
}

/**
 * Stands between one process and the NATS server. It can be cut, so that connections break and none is made; turned into a
 * black hole, where connections stand and nothing comes through; and it can lose, double and delay control messages.
 */
export class NatsProxy {
  readonly counts: WeatherCounts = { passed: 0, lost: 0, doubled: 0, delayed: 0 };
  private readonly pairs = new Set<Pair>();
  private state: 'open' | 'cut' | 'black-hole' = 'open';

  private constructor(
    private readonly server: Server,
    private readonly target: number,
    private readonly weather: Weather | null,
  ) {
    server.on('connection', (client) => this.connect(client));
  }

  static listen(target: number, weather: Weather | null = null): Promise<NatsProxy> {
    const server = createServer();
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => resolve(new NatsProxy(server, target, weather)));
    });
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Connections end, new ones are refused at once. */
  cut(): void {
    this.state = 'cut';
    for (const pair of this.pairs) this.drop(pair);
  }

  /** Connections stand, new ones can be made, and nothing comes through. */
  blackHole(): void {
    this.state = 'black-hole';
    for (const { client, server } of this.pairs) {
      client.pause();
      server.pause();
    }
  }

  /** What was held back comes late. */
  restore(): void {
    this.state = 'open';
    for (const { client, server } of this.pairs) {
      client.resume();
      server.resume();
    }
  }

  close(): Promise<void> {
    this.cut();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private connect(client: Socket): void {
    if (this.state === 'cut') {
      client.destroy();
      return;
    }
    const pair = { client, server: createConnection({ host: '127.0.0.1', port: this.target }) };
    this.pairs.add(pair);
    for (const socket of [pair.client, pair.server]) {
      socket.setNoDelay(true);
      socket.on('error', () => this.drop(pair));
      socket.on('close', () => this.drop(pair));
    }
    this.forward(pair.client, pair.server);
    this.forward(pair.server, pair.client);
    if (this.state === 'black-hole') this.blackHole();
  }

  private forward(from: Socket, to: Socket): void {
    const { weather } = this;
    const write = (bytes: Buffer): void => {
      if (to.destroyed || to.writableEnded) return;
      if (!to.write(bytes)) from.pause();
    };
    to.on('drain', () => {
      if (this.state !== 'black-hole') from.resume();
    });
    if (weather === null) {
      from.on('data', write);
      return;
    }
    const frames = new NatsFrames();
    from.on('data', (chunk: Buffer) => {
      for (const { subject, bytes } of frames.push(chunk)) this.pass(subject, bytes, weather, write);
    });
  }

  private pass(
    subject: string | null,
    bytes: Buffer,
    { random, lost, doubled, delayed, maxDelayMs }: Weather,
    write: (bytes: Buffer) => void,
  ): void {
    // The stores' traffic is TCP's concern, and what is told to whoever watches decides nothing.
    if (subject === null || !subject.startsWith('gan.') || subject.split('.')[2] === 'out')
      return write(bytes);
    const dice = random.next();
    if (dice < lost) {
      this.counts.lost += 1;
    } else if (dice < lost + doubled) {
      this.counts.doubled += 1;
      write(bytes);
      write(bytes);
    } else if (dice < lost + doubled + delayed) {
      this.counts.delayed += 1;
      const kept = Buffer.from(bytes);
      setTimeout(() => write(kept), random.whole(1, maxDelayMs));
    } else {
      this.counts.passed += 1;
      write(bytes);
    }
  }

  private drop(pair: Pair): void {
    if (!this.pairs.delete(pair)) return;
    pair.client.destroy();
    pair.server.destroy();
  }
}
