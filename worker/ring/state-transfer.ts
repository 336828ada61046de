import { randomBytes } from 'node:crypto';
import { invariant, type RingMember } from '../../proto/index.js';
import type { Admission } from './admission.js';
import { systemClock, type Clock } from './clock.js';
import { dialPeer } from './dial.js';
import type { Refusals } from './refusals.js';
import { nearestAddress, type RingAddress } from './ring-address.js';
import type { RingServer } from './ring-server.js';
import type { RingTls } from './ring-tls.js';
import type { SplitConnection } from './split-connection.js';
import { connectForState, receiveState, type FetchedState } from './state-receiver.js';
import { StateSender, type HeldState } from './state-sender.js';

export interface ServeStateOptions {
  /** A receiver that takes nothing for so long is dropped and counted with the refusals; 10 s by default. */
  readonly silenceMs?: number;
  readonly clock?: Clock;
  /** Called when a receiver has said that it has all, with the bytes of state and rows. */
  readonly onSent?: (bytes: number) => void;
}

const DEFAULT_SILENCE_MS = 10_000;

/**
 * Lets each of `fromRanks` fetch the state once in this ring epoch, in place of what was served in an older one. Neither
 * part of `held` may change until the function returned was called.
 *
 * Throws OperationalError 'ring-refused' for a ring epoch that is not newer than the last one served.
 * @returns withdraws the offer and destroys the transfers that are underway: nothing of `held` is read after it
 */
export function serveState(
  server: RingServer,
  admission: Omit<Admission, 'purpose'>,
  held: HeldState,
  options: ServeStateOptions = {},
): () => void {
  const senders = new Set<StateSender>();
  const close = server.admit({ ...admission, purpose: 'state' }, ({ socket }, fromRank) => {
    const sender = new StateSender(socket, held, {
      clock: options.clock ?? systemClock,
      silenceMs: options.silenceMs ?? DEFAULT_SILENCE_MS,
      onSent: (bytes) => options.onSent?.(bytes),
      onMisbehaviour: (reason) => server.refusals.count(reason, `receiver of the state (rank ${fromRank})`),
      onOver: () => senders.delete(sender),
    });
    senders.add(sender);
    sender.start();
  });
  return () => {
    close();
    for (const sender of senders) sender.destroy();
  };
}

export interface FetchStateOptions {
  readonly runId: string;
  readonly ringEpoch: number;
  /** Of the ring epoch: 64 hex digits. */
  readonly secret: string;
  /** This worker's. */
  readonly fromRank: number;
  /** The source's. */
  readonly toRank: number;
  readonly peer: RingMember;
  /** Exactly. */
  readonly stateBytes: number;
  readonly maxRowsBytes: number;
  /** The source has this long to take the connection, and then to send something, again and again. */
  readonly silenceMs: number;
  /** For the whole, with the time in which the source is not ready yet. */
  readonly deadlineMs: number;
  /** Counts what the source does wrong. */
  readonly refusals: Refusals;
  readonly clock?: Clock;
  readonly signal: AbortSignal;
  /** Where the ring speaks TLS: the `tls` of this worker's own server. */
  readonly tls?: RingTls | undefined;
  /** How the source is reached; by default the nearest way. */
  readonly addressOf?: (member: RingMember) => RingAddress;
  /** Called now and then with the bytes of state and rows together. */
  readonly onProgress?: (receivedBytes: number, totalBytes: number) => void;
}

/**
 * Fetches the state that another worker serves in this ring epoch, into memory of its own. Nothing is sure about the bytes
 * but their number: the caller compares a fingerprint.
 *
 * Rejects with OperationalError, all about the source: 'ring-peer-lost' when it cannot be reached or goes away,
 * 'ring-refused', 'ring-deadline', 'protocol' when it sends anything but a state of that size, 'aborted'.
 */
export function fetchState(options: FetchStateOptions): Promise<FetchedState> {
  const { runId, ringEpoch, secret, fromRank, toRank, peer, silenceMs, deadlineMs, refusals, signal } =
    options;
  const clock = options.clock ?? systemClock;
  const startedMs = clock.nowMs();
  const { host, port } = peer;
  const peerName = `worker ${peer.workerId} (rank ${toRank})`;
  const address = (options.addressOf ?? nearestAddress)(peer);
  const tls = 'host' in address ? options.tls : undefined;
  let connection: SplitConnection | undefined;
  return dialPeer(
    {
      ...{ host, port, peerName, purpose: 'state', runId, ringEpoch, secret, fromRank, toRank },
      ...{ deadlineMs, connectMs: silenceMs, clock, randomBytes, signal, refusals },
      tls: tls !== undefined,
      connect: () => (connection = connectForState(address, tls)),
    },
    (socket) => {
      invariant(connection, 'a socket that is open has a connection');
      return receiveState(socket, connection, {
        expected: options,
        peerName: `${peerName} at ${host}:${port}`,
        ...{ clock, silenceMs, deadlineMs, signal },
        leftMs: deadlineMs - (clock.nowMs() - startedMs),
        onMisbehaviour: (reason) => refusals.count(reason, `${host}:${port}`),
        onProgress: options.onProgress,
      });
    },
  );
}
