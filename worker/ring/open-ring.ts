import { randomBytes } from 'node:crypto';
import { invariant, OperationalError, type ErrorCode, type RingMember } from '../../proto/index.js';
import type { Admission } from './admission.js';
import { plainAdder, type Adder } from './adder.js';
import { systemClock, type Clock } from './clock.js';
import { dialPeer, type DialOptions } from './dial.js';
import type { IncomingLink, OutgoingLink } from './link.js';
import { LinkedRing } from './linked-ring.js';
import { RingError, SoloRing, type Neighbour, type Ring } from './ring.js';
import { nearestAddress, type RingAddress } from './ring-address.js';
import type { PeerHandler, RingServer } from './ring-server.js';
import type { RingTls } from './ring-tls.js';
import type { RingPhase } from './schedule.js';
import type { SplitConnection } from './split-connection.js';
import { WebSocketIncomingLink, WebSocketOutgoingLink } from './websocket-link.js';

export interface OpenRingOptions {
  readonly server: RingServer;
  readonly runId: string;
  readonly ringEpoch: number;
  /** Of the ring epoch: 64 hex digits. */
  readonly secret: string;
  readonly rank: number;
  /** In ring order; `rank` is this worker's place in it. */
  readonly members: readonly RingMember[];
  /** For both links together to be open. */
  readonly openMs: number;
  /** For the predecessor to take the connection, whatever it has to do before it takes its place; 2 s by default. */
  readonly connectMs?: number;
  /** See LinkedRingOptions; a reduction may override it. */
  readonly silenceMs: number;
  readonly adder?: Adder;
  /** How a member is reached; by default the nearest way. */
  readonly addressOf?: (member: RingMember) => RingAddress;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
  /** Called once when the ring fails by no doing of the caller, also between reductions. */
  readonly onFailure?: (error: RingError) => void;
  /** Called when a segment has come in and is where it belongs, with its phase and update. */
  readonly onSegment?: (phase: RingPhase, update: number) => void;
  /** While true no neighbour's silence counts in a reduction; when it ends, silence counts from zero. */
  readonly suspended?: () => boolean;
}

const DEFAULT_CONNECT_MS = 2_000;

/**
 * Takes this worker's place in the ring of a ring epoch: lets its successor in, dials its predecessor.
 *
 * Rejects with RingError 'ring-peer-lost', 'ring-refused' (also for a ring epoch that is not newer than the last, which is
 * no neighbour's fault), 'ring-deadline', 'protocol' or 'aborted'; nothing stays open then. A ring epoch is opened once:
 * after a failure, or the ring's end, the next one has a higher number.
 */
export async function openRing(options: OpenRingOptions): Promise<Ring> {
  const { server, runId, ringEpoch, secret, rank, members, openMs, silenceMs } = options;
  const world = members.length;
  invariant(rank >= 0 && rank < world, `rank ${rank} is one of a world of ${world}`);
  if (options.signal?.aborted) throw new RingError('aborted', 'opening the ring was aborted', undefined);

  const clock = options.clock ?? systemClock;
  const { refusals } = server;
  const adder = options.adder ?? plainAdder();
  const slot = { purpose: 'ring', runId, ringEpoch, secret } as const;
  if (world === 1) {
    // Nobody comes, but whoever comes late from an older ring epoch is told that it is over.
    admit(server, { ...slot, toRank: rank, fromRanks: [] }, () => undefined);
    return new SoloRing();
  }

  const predecessor = (rank + world - 1) % world;
  const successor = (rank + 1) % world;
  const names = {
    predecessor: `predecessor ${nameOf(predecessor, members)}`,
    successor: `successor ${nameOf(successor, members)}`,
  };

  // Whatever fails first, also a link that ends while the other is being opened, gives up the whole.
  let failure: unknown;
  const giveUp = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, giveUp.signal]) : giveUp.signal;
  const fail = (error: unknown): undefined => {
    failure ??= error;
    giveUp.abort();
  };
  const watched = async <L extends OutgoingLink | IncomingLink>(neighbour: Neighbour, link: Promise<L>) => {
    const name = names[neighbour];
    try {
      const opened = await link;
      opened.listen({
        onEnd: ({ cause, detail }) => {
          if (cause !== 'lost') refusals.count(cause, name);
          const code = cause === 'lost' ? 'ring-peer-lost' : 'protocol';
          fail(new RingError(code, `${name}: ${detail}`, neighbour));
        },
      });
      return opened;
    } catch (error) {
      return fail(blamed(error, neighbour));
    }
  };

  const member = memberAt(predecessor, members);
  const { host, port } = member;
  const [outgoing, incoming] = await Promise.all([
    watched(
      'successor',
      acceptSuccessor(
        server,
        { ...slot, toRank: rank, fromRanks: [successor] },
        { name: names.successor, openMs, clock, signal },
      ),
    ),
    watched(
      'predecessor',
      dialLink(
        {
          ...{ ...slot, fromRank: rank, toRank: predecessor, host, port, peerName: names.predecessor },
          ...{ deadlineMs: openMs, connectMs: options.connectMs ?? DEFAULT_CONNECT_MS },
          ...{ clock, signal, randomBytes, refusals },
        },
        (options.addressOf ?? nearestAddress)(member),
        adder,
        server.tls,
      ),
    ),
  ]);
  if (failure !== undefined || !outgoing || !incoming) {
    outgoing?.destroy();
    incoming?.destroy();
    throw failure;
  }
  return new LinkedRing({
    ...{ rank, world, outgoing, incoming, names, clock, silenceMs },
    onFailure: options.onFailure,
    onSegment: options.onSegment,
    suspended: options.suspended,
    onMisbehaviour: (reason, name) => refusals.count(reason, name),
  });
}

/** That this worker is not let into a ring epoch by its own server is no neighbour's fault. */
function admit(server: RingServer, admission: Admission, onPeer: PeerHandler): () => void {
  try {
    return server.admit(admission, onPeer);
  } catch (error) {
    throw blamed(error, undefined);
  }
}

/** The same failure with the neighbour whose it is; what is no failure of a link stays what it is. */
function blamed(error: unknown, neighbour: Neighbour | undefined): unknown {
  if (!(error instanceof OperationalError) || error instanceof RingError) return error;
  const whose = error.code === 'aborted' ? undefined : neighbour;
  return new RingError(error.code, error.message, whose, undefined, { cause: error });
}

function dialLink(
  options: Omit<DialOptions, 'connect' | 'tls'>,
  address: RingAddress,
  adder: Adder,
  ringTls: RingTls | undefined,
): Promise<IncomingLink> {
  let connection: SplitConnection | undefined;
  const tls = 'host' in address ? ringTls : undefined;
  const connect = (): SplitConnection => (connection = WebSocketIncomingLink.connect(address, adder, tls));
  return dialPeer({ ...options, tls: tls !== undefined, connect }, (socket) => {
    invariant(connection, 'a socket that is open has a connection');
    return new WebSocketIncomingLink(socket, connection, adder);
  });
}

interface AcceptOptions {
  readonly name: string;
  readonly openMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Waits for the successor's call. Nobody is let in any more once this has failed. */
function acceptSuccessor(
  server: RingServer,
  admission: Admission,
  { name, openMs, clock, signal }: AcceptOptions,
): Promise<OutgoingLink> {
  return new Promise((resolve, reject) => {
    const withdraw = admit(server, admission, (peer) => {
      settle();
      resolve(new WebSocketOutgoingLink(peer));
    });
    const fail = (code: ErrorCode, what: string): void => {
      settle();
      withdraw();
      reject(new OperationalError(code, `${name}: ${what}`));
    };
    const abort = (): void => fail('aborted', 'waiting for its call was aborted');
    const cancelDeadline = clock.after(openMs, () =>
      fail('ring-deadline', `did not call within ${openMs} ms`),
    );
    const settle = (): void => {
      cancelDeadline();
      signal.removeEventListener('abort', abort);
    };
    signal.addEventListener('abort', abort);
  });
}

function memberAt(rank: number, members: readonly RingMember[]): RingMember {
  const member = members[rank];
  invariant(member, `rank ${rank} has a member`);
  return member;
}

function nameOf(rank: number, members: readonly RingMember[]): string {
  return `worker ${memberAt(rank, members).workerId} (rank ${rank})`;
}
