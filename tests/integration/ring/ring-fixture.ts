import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import type { WebSocket } from 'ws';
import type { RingMember } from '../../../proto/index.js';
import type { Admission } from '../../../worker/ring/admission.js';
import { systemClock } from '../../../worker/ring/clock.js';
import { dialPeer, type DialOptions } from '../../../worker/ring/dial.js';
import { plainAdder, type Adder, type RingTls } from '../../../worker/ring/index.js';
import { fetchState, type FetchedState, type FetchStateOptions } from '../../../worker/ring/index.js';
import { openRing, type OpenRingOptions, type Ring } from '../../../worker/ring/index.js';
import { RingServer, type RingServerOptions } from '../../../worker/ring/ring-server.js';
import { WebSocketIncomingLink, type AcceptedPeer } from '../../../worker/ring/websocket-link.js';

export const HOST = '127.0.0.1';
export const RUN = 'run-1';
export const SECRET = 'ab'.repeat(32);

/** Servers and connections of one test; `close` ends them all. */
export class Fixture {
  private readonly servers: RingServer[] = [];
  private readonly rings: Ring[] = [];
  private readonly abort = new AbortController();

  async listen(options: Partial<RingServerOptions> = {}): Promise<RingServer> {
    const server = await RingServer.listen({ host: HOST, port: 0, ...options });
    this.servers.push(server);
    return server;
  }

  /** Dials `server` as rank 1 of ring epoch 1 over a plain connection, unless told otherwise. */
  dial<T>(
    server: RingServer,
    adopt: (socket: WebSocket) => T,
    options: Partial<DialOptions> = {},
  ): Promise<T> {
    const { host = HOST, port = server.port } = options;
    return dialPeer(
      {
        ...{
          host,
          port,
          connect: () => connect(port, host),
          peerName: 'the server',
          runId: RUN,
          ringEpoch: 1,
        },
        ...{
          purpose: 'ring',
          secret: SECRET,
          fromRank: 1,
          toRank: 0,
          deadlineMs: 10_000,
          clock: systemClock,
        },
        ...{ randomBytes, signal: this.abort.signal, refusals: server.refusals },
        ...options,
      },
      adopt,
    );
  }

  /** Both sides of one link whose handshake is done. */
  async link<A>(
    accepting: (peer: AcceptedPeer) => A,
    adder: Adder = plainAdder(),
    tls?: RingTls,
  ): Promise<{ outgoing: A; incoming: WebSocketIncomingLink }> {
    const server = await this.listen({ tls });
    const accepted = new Promise<A>((resolve) =>
      server.admit(admissionOf(), (peer) => resolve(accepting(peer))),
    );
    const connection = WebSocketIncomingLink.connect({ host: HOST, port: server.port }, adder, tls);
    const incoming = await this.dial(
      server,
      (socket) => new WebSocketIncomingLink(socket, connection, adder),
      { connect: () => connection, tls: tls !== undefined },
    );
    return { outgoing: await accepted, incoming };
  }

  /** Opens the rings of a whole world in this process, by rank. */
  async openWorld(world: number, options: Partial<OpenRingOptions> = {}, tls?: RingTls): Promise<Ring[]> {
    const servers = await Promise.all(Array.from({ length: world }, () => this.listen({ tls })));
    const members = membersOf(servers);
    return Promise.all(servers.map((server, rank) => this.open(server, rank, members, options)));
  }

  async open(
    server: RingServer,
    rank: number,
    members: readonly RingMember[],
    options: Partial<OpenRingOptions> = {},
  ): Promise<Ring> {
    const ring = await openRing({
      ...{
        server,
        rank,
        members,
        runId: RUN,
        ringEpoch: 1,
        secret: SECRET,
        openMs: 10_000,
        silenceMs: 10_000,
      },
      signal: this.abort.signal,
      ...options,
    });
    this.rings.push(ring);
    return ring;
  }

  /** Fetches a state from `server` as rank 1 from rank 0 of ring epoch 1, unless told otherwise. */
  fetch(
    server: RingServer,
    options: Partial<FetchStateOptions> & Pick<FetchStateOptions, 'stateBytes'>,
  ): Promise<FetchedState> {
    return fetchState({
      ...{ runId: RUN, ringEpoch: 1, secret: SECRET, fromRank: 1, toRank: 0 },
      ...{ peer: { workerId: 'w0', host: HOST, port: server.port }, maxRowsBytes: 1 << 20 },
      ...{ silenceMs: 10_000, deadlineMs: 20_000, refusals: server.refusals, signal: this.abort.signal },
      ...options,
    });
  }

  async close(): Promise<void> {
    this.abort.abort();
    for (const ring of this.rings) ring.close();
    await Promise.all(this.servers.map((server) => server.close()));
  }
}

export function membersOf(servers: readonly RingServer[]): RingMember[] {
  return servers.map(({ port }, rank) => ({ workerId: `w${rank}`, host: HOST, port }));
}

/** Lets rank 1 in as rank 0 of ring epoch 1, unless told otherwise. */
export function admissionOf(changes: Partial<Admission> = {}): Admission {
  return { purpose: 'ring', runId: RUN, ringEpoch: 1, secret: SECRET, toRank: 0, fromRanks: [1], ...changes };
}
