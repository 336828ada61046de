import { setTimeout as delay } from 'node:timers/promises';
import type { JetStreamManager, StreamInfo } from 'nats';
import { OperationalError, UsageError, messageOf } from '../proto/index.js';
import { errorCode } from './jetstream-error.js';

/** For servers that have just been started, or have just lost one, to agree on who leads. */
const AGREE_WITHIN_MS = 30_000;
const ASK_EVERY_MS = 250;

/** The server's answer when its cluster has not as many servers, or not yet. */
const NO_PEERS = 10_005;

/**
 * Sees to it that JetStream keeps `replicas` copies of a stream, each on another server, and returns once one of them leads:
 * what was written in between would wait in vain. A stream is to be made with one copy first. That alone lets a server that
 * came late into the NATS cluster be counted among those who may keep one. Throws UsageError when there are not as many servers,
 * OperationalError('bus') when they do not agree in time.
 * @param replicas null for as many as there are
 */
export async function keepCopies(
  streams: JetStreamManager['streams'],
  stream: string,
  replicas: number | null,
): Promise<void> {
  const untilMs = performance.now() + AGREE_WITHIN_MS;
  for (;;) {
    const found = await attempt(streams, stream, replicas);
    if (found === null) return;
    if (performance.now() > untilMs) throw found;
    await delay(ASK_EVERY_MS);
  }
}

/** Null when all is as it should be; else why not, which may pass. */
async function attempt(
  streams: JetStreamManager['streams'],
  stream: string,
  replicas: number | null,
): Promise<OperationalError | null> {
  try {
    const info = await streams.info(stream);
    // Such a server takes the number for an existing stream, and keeps one copy.
    if (replicas !== null && replicas > 1 && info.cluster?.name === undefined)
      throw new UsageError(`${takes(replicas)}: the NATS server is of none`);
    const isKept = replicas === null || info.config.num_replicas === replicas;
    const kept = isKept ? info : await streams.update(stream, { num_replicas: replicas });
    return isLed(kept) ? null : notLed(stream);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (errorCode(error) === NO_PEERS) return new UsageError(`${takes(replicas)}: ${messageOf(error)}`);
    return new OperationalError('bus', `NATS does not answer for ${stream}: ${messageOf(error)}`);
  }
}

const takes = (replicas: number | null): string =>
  `--nats-replicas ${replicas ?? 1} takes a NATS cluster of as many servers`;

/** A server that is none of a cluster leads all that it has. */
const isLed = ({ cluster }: StreamInfo): boolean => cluster === undefined || Boolean(cluster.leader);

const notLed = (stream: string): OperationalError =>
  new OperationalError('bus', `none of the NATS servers that keep ${stream} leads it: are most of them up?`);
