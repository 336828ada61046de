import { createHash } from 'node:crypto';
import { headers, nuid, type JetStreamClient, type Msg, type NatsConnection } from 'nats';
import { z } from 'zod';
import { OperationalError } from '../proto/index.js';
import { objectChunkSubject, objectInfoSubject, objectStreamName } from '../proto/runtime/stores.js';

const CHUNK_BYTES = 128 * 1024;
/** Sent before the first of them is acknowledged: each is given 5 s, also over a slow line. */
const CHUNKS_IN_FLIGHT = 16;
/** JetStream's answer when there is no such message. */
const NOT_FOUND = 404;
const READ_TIMEOUT_MS = 5_000;
const ROLLUP = 'Nats-Rollup';

/** What describes an object; more may be there. */
const infoSchema = z.object({
  nuid: z.string().regex(/^[A-Za-z0-9]+$/),
  size: z.int().min(0),
  chunks: z.int().min(0),
  digest: z.string(),
  deleted: z.boolean().optional(),
});

/**
 * A NATS object store as ADR-20 of the NATS architecture lays it out, by means that a worker's credentials allow: chunks
 * and descriptions are added, and read one by one. The object store of nats.js reads by a consumer and cleans up by purge;
 * whoever may do these may do them to the run's record as well, and have the server publish in the coordinator's name.
 */
export class ObjectChunks {
  private readonly jetstream: JetStreamClient;

  constructor(
    private readonly connection: NatsConnection,
    private readonly bucket: string,
  ) {
    this.jetstream = connection.jetstream();
  }

  /** Stores an object, in place of one of the same name; that one's chunks stay. Throws what NATS says. */
  async put(name: string, bytes: Uint8Array): Promise<void> {
    const id = nuid.next();
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < bytes.byteLength; at += CHUNK_BYTES)
      chunks.push(bytes.subarray(at, at + CHUNK_BYTES));
    try {
      for (let at = 0; at < chunks.length; at += CHUNKS_IN_FLIGHT) {
        const batch = chunks.slice(at, at + CHUNKS_IN_FLIGHT);
        await Promise.all(
          batch.map((chunk) => this.jetstream.publish(objectChunkSubject(this.bucket, id), chunk)),
        );
      }
      const info = {
        name,
        bucket: this.bucket,
        nuid: id,
        size: bytes.byteLength,
        chunks: chunks.length,
        mtime: new Date().toISOString(),
        digest: digestOf(createHash('sha256').update(bytes)),
        deleted: false,
        options: { max_chunk_size: CHUNK_BYTES },
      };
      await this.jetstream.publish(objectInfoSubject(this.bucket, name), JSON.stringify(info), {
        headers: replacing(),
      });
    } catch (error) {
      await this.drop(id);
      throw error;
    }
  }

  /** Null when there is no such object. Throws OperationalError('checkpoint') when it is not whole, and what NATS says. */
  async get(name: string): Promise<Uint8Array | null> {
    const found = await this.next({ last_by_subj: objectInfoSubject(this.bucket, name) });
    if (found === null) return null;
    const parsed = infoSchema.safeParse(found.json());
    if (!parsed.success)
      throw new OperationalError('checkpoint', `object ${name} is described in another way`);
    const { nuid: id, size, chunks, digest, deleted } = parsed.data;
    if (deleted === true) return null;
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    let seq = 1;
    const hash = createHash('sha256');
    while (pieces.length < chunks && bytes < size) {
      const message = await this.next({ seq, next_by_subj: objectChunkSubject(this.bucket, id) });
      if (message === null) break;
      const { data } = message;
      pieces.push(data);
      hash.update(data);
      bytes += data.byteLength;
      seq = Number(message.headers?.get('Nats-Sequence')) + 1;
    }
    if (bytes !== size || digestOf(hash) !== digest)
      throw new OperationalError(
        'checkpoint',
        `object ${name} is not whole: ${bytes} of ${size} bytes are there`,
      );
    return Buffer.concat(pieces);
  }

  /** A stored message, with its place in the stream among its headers; null when there is none. */
  private async next(
    query: { last_by_subj: string } | { seq: number; next_by_subj: string },
  ): Promise<Msg | null> {
    const subject = `$JS.API.DIRECT.GET.${objectStreamName(this.bucket)}`;
    const answer = await this.connection.request(subject, JSON.stringify(query), {
      timeout: READ_TIMEOUT_MS,
    });
    const { code = 0, description = '' } = answer.headers ?? {};
    if (code === NOT_FOUND) return null;
    if (code !== 0)
      throw new OperationalError('checkpoint', `the object store answered ${code} ${description}`);
    return answer;
  }

  /** Frees the room of chunks that belong to no object: an empty one takes their place. What called for it is told instead. */
  private async drop(id: string): Promise<void> {
    await this.jetstream
      .publish(objectChunkSubject(this.bucket, id), new Uint8Array(), { headers: replacing() })
      .catch(() => undefined);
  }
}

/** The message replaces those before it on its subject. */
function replacing(): ReturnType<typeof headers> {
  const found = headers();
  found.set(ROLLUP, 'sub');
  return found;
}

/** 32 bytes are 43 characters and one of padding. */
const digestOf = (hash: ReturnType<typeof createHash>): string => `SHA-256=${hash.digest('base64url')}=`;
