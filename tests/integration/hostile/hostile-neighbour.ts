import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { AcceptedPeer } from '../../../worker/ring/websocket-link.js';
import type { OpenRingOptions, Ring, RingServer } from '../../../worker/ring/index.js';
import { admissionOf, membersOf, type Fixture } from '../ring/ring-fixture.js';

/** A connection that says whatever a test makes it say, as WebSocket and below it. */
export interface Line {
  readonly socket: WebSocket;
  readonly transport: Socket;
}

/** Rank 1 of a world of two, as seen from its only neighbour: properly introduced, and then anything. */
export class HostileNeighbour {
  private constructor(
    /** Of the good worker, rank 0. */
    readonly ring: Ring,
    /** As its predecessor: what segments come over. */
    readonly predecessor: Line,
    /** As its successor: what nothing but pongs should come over. */
    readonly successor: Line,
  ) {}

  /** Takes both places beside `server`, whose ring is opened with it. */
  static async join(
    fixture: Fixture,
    server: RingServer,
    options: Partial<OpenRingOptions> = {},
  ): Promise<HostileNeighbour> {
    const own = await fixture.listen();
    const accepted = new Promise<AcceptedPeer>((resolve) =>
      own.admit(admissionOf({ toRank: 1, fromRanks: [0] }), resolve),
    );
    const opening = fixture.open(server, 0, membersOf([server, own]), options);
    const socket = await fixture.dial(server, (dialled) => dialled);
    const successor = { socket, transport: (socket as unknown as { _socket: Socket })._socket };
    const predecessor = await accepted;
    // What the good worker sends is read and dropped: a WebSocket of ours would refuse its length.
    successor.transport.removeAllListeners('data').resume();
    for (const line of [predecessor, successor]) {
      line.socket.on('error', () => undefined);
      line.transport.on('error', () => undefined);
    }
    return new HostileNeighbour(await opening, predecessor, successor);
  }
}
